package terminal

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Live shows a log on a terminal, and lines that stay below it. Elsewhere it is the log
// alone. Whatever changes is drawn with one write, which holds only what changed, so that
// nothing flickers; no line is so wide that the terminal would wrap it. Its methods may be
// called concurrently.
type Live struct {
	Terminal bool // somebody looks at it

	out    io.Writer
	atomic bool // frames are marked as such (see begin)

	mu    sync.Mutex
	lines []string // guarded by mu: those that stand below the log
	width int      // guarded by mu: that they were drawn for
}

// liveTick is how often the lines below the log are drawn anew.
const liveTick = 100 * time.Millisecond

// NewLive gives one that has no lines below the log yet.
func NewLive(out io.Writer) *Live {
	term := os.Getenv("TERM")
	return &Live{
		Terminal: IsTerminal(out) && term != "dumb", // which moves no cursor
		out:      out,
		atomic:   term != "linux",
	}
}

// Size is that of the terminal, but for its last column: what is written there makes some
// terminals go to the next line.
func (v *Live) Size() (width, height int) {
	if !v.Terminal {
		return 0, 0
	}
	width, height = sizeOf(v.out)
	if width <= 1 {
		width = usualWidth
	}
	return width - 1, height
}

// usualWidth is the width that is drawn for where none can be had.
const usualWidth = 80

// Write implements io.Writer: whole lines of the log. What is no line, such as a bell, moves
// nothing.
func (v *Live) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.Terminal || !bytes.HasSuffix(p, []byte("\n")) {
		return v.out.Write(p)
	}
	width, _ := v.Size()
	var log []string
	for line := range strings.Lines(string(p)) {
		log = append(log, fold(strings.TrimSuffix(line, "\n"), width)...)
	}
	frame := v.anew(log, v.lines, width)
	if len(v.lines) == 0 {
		frame = strings.Join(log, "\n") + "\n"
	}
	v.width = width
	_, err := io.WriteString(v.out, frame)
	return len(p), err
}

// show puts other lines below the log.
func (v *Live) show(lines []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	width, height := v.Size()
	lines = within(lines, width, height)
	frame := ""
	switch {
	case len(v.lines) > 0 && width != v.width:
		frame = v.anew(nil, lines, width)
	case !slices.Equal(v.lines, lines):
		frame = v.changed(lines)
	}
	v.lines, v.width = lines, width
	if frame != "" {
		_, _ = io.WriteString(v.out, frame) // the terminal has gone
	}
}

// within bounds lines to a screen, of which the last stays: what has left it at the top
// cannot be drawn any more.
func within(lines []string, width, height int) []string {
	if height == 1 { // which is the log's
		return nil
	}
	var all []string
	for _, line := range lines {
		all = append(all, Cut(line, width))
	}
	if most := height - 2; height > 0 && len(all) > max(most, 1) { // one line for the cursor, one for the log
		last := all[len(all)-1]
		if most < 3 {
			return []string{last}
		}
		return append(all[:most-2:most-2], Cut(fmt.Sprintf("  … and %d more", len(all)-most+1), width), last)
	}
	return all
}

// A frame begins and ends with the sequences that have a terminal draw it at once
// (synchronized output, DEC private mode 2026); one that does not know them passes them
// over, but for the console of Linux, which is not asked to. The cursor is not seen
// to wander meanwhile. What was typed since the last frame, such as ^C, is taken away.
func (v *Live) begin() string {
	const typed = "\x1b[?25l\r" + clearRest
	if v.atomic {
		return "\x1b[?2026h" + typed
	}
	return typed
}

func (v *Live) end() string {
	if v.atomic {
		return "\x1b[?25h\x1b[?2026l"
	}
	return "\x1b[?25h"
}

// clear takes away the rest of a line, and what is below; rest the rest of the line alone.
const (
	clearRest  = "\x1b[K"
	clearBelow = "\x1b[J"
)

// changed is the frame that draws those lines that are not there yet. The cursor stands
// below the lines, at the left, before it and after it.
func (v *Live) changed(lines []string) string {
	var b strings.Builder
	b.WriteString(v.begin())
	at := len(v.lines) // the line that the cursor is on
	move := func(to int) {
		switch {
		case to < at:
			fmt.Fprintf(&b, "\x1b[%dA", at-to)
		case to > at:
			fmt.Fprintf(&b, "\x1b[%dB", to-at)
		}
		at = to
	}
	for i := range min(len(lines), len(v.lines)) {
		if lines[i] != v.lines[i] {
			move(i)
			b.WriteString(lines[i] + clearRest + "\r")
		}
	}
	switch {
	case len(lines) < len(v.lines):
		move(len(lines))
		b.WriteString(clearBelow)
	default:
		move(len(v.lines))
		for _, line := range lines[len(v.lines):] {
			b.WriteString(line + clearRest + "\n") // which also scrolls
		}
	}
	return b.String() + v.end()
}

// anew is the frame that draws log lines where the lines below the log began, and lines
// below those. A terminal that became narrower since has wrapped the old ones.
func (v *Live) anew(log, lines []string, width int) string {
	var b strings.Builder
	b.WriteString(v.begin())
	rows := 0
	for _, line := range v.lines {
		rows += 1 + max(0, columns(line)-1)/(width+1)
	}
	if rows > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", rows)
	}
	if width != v.width {
		b.WriteString(clearBelow)
	}
	for _, line := range slices.Concat(log, lines) {
		b.WriteString(line + clearRest + "\n")
	}
	if len(log)+len(lines) < rows {
		b.WriteString(clearBelow)
	}
	return b.String() + v.end()
}

// Run draws the lines that it is given for a width, again and again, until there are none
// to be had or ctx ends.
func (v *Live) Run(ctx context.Context, lines func(ctx context.Context, width int) ([]string, bool)) {
	if !v.Terminal {
		return
	}
	defer v.show(nil)
	tick := time.NewTicker(liveTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		width, _ := v.Size()
		now, ok := lines(ctx, width)
		if !ok {
			return
		}
		v.show(now)
	}
}
