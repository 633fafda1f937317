package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// liveView shows a daemon on a terminal: its log, and below it a line for each image
// that has something to say. Elsewhere it is the log alone.
type liveView struct {
	out io.Writer
	tty bool

	mu    sync.Mutex
	lines []string // guarded by mu: those that stand below the log
}

// viewTick is how often the lines below the log are drawn anew.
const viewTick = 200 * time.Millisecond

func newLiveView(out io.Writer) *liveView { return &liveView{out: out, tty: isTerminal(out)} }

// Write implements io.Writer: whole lines of the log.
func (v *liveView) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n, err := v.out.Write([]byte(v.erased() + string(p) + v.drawn()))
	return min(n, len(p)), err
}

// erased is what takes the lines away, with the cursor where they began. A terminal
// that became narrower since has wrapped them.
func (v *liveView) erased() string {
	if len(v.lines) == 0 {
		return ""
	}
	rows, width := 0, v.width()
	for _, line := range v.lines {
		rows += 1 + max(0, runewidth.StringWidth(line)-1)/width
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", rows)
}

func (v *liveView) drawn() string {
	if len(v.lines) == 0 {
		return ""
	}
	return strings.Join(v.lines, "\n") + "\n"
}

// show puts other lines below the log.
func (v *liveView) show(lines []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	before := v.erased()
	v.lines = lines
	_, _ = io.WriteString(v.out, before+v.drawn()) // the terminal has gone
}

// run draws the daemon's status until ctx ends.
func (v *liveView) run(ctx context.Context, status func(context.Context) (daemonStatus, bool)) {
	if !v.tty {
		return
	}
	defer v.show(nil)
	tick := time.NewTicker(viewTick)
	defer tick.Stop()
	drawn := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s, ok := status(ctx)
		if !ok {
			return
		}
		lines := liveLines(s, v.width())
		if now := strings.Join(lines, "\n"); now != drawn {
			drawn = now
			v.show(lines)
		}
	}
}

// narrowest is the width that is drawn for where none can be had.
const narrowest = 80

func (v *liveView) width() int {
	if f, ok := v.out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return narrowest
}

// liveLines are a status in lines of at most so many columns: images that are not up
// to date, and one for all.
func liveLines(s daemonStatus, width int) []string {
	longest, waiting := 0, 0
	for _, im := range s.Images {
		if im.State != upToDate && im.State != queued {
			longest = max(longest, len(im.Name))
		}
		if im.State == queued {
			waiting++
		}
	}
	var lines []string
	for _, im := range s.Images {
		if im.State != upToDate && im.State != queued {
			lines = append(lines, fmt.Sprintf("  %-*s  %-8s  %s", longest, im.Name, im.State, imageLine(im, time.Now())))
		}
	}
	last := "  " + s.State
	if waiting > 0 {
		last += fmt.Sprintf(", %s queued", count(waiting, "image", "images"))
	}
	lines = append(lines, last+", watching "+count(s.Watching.Folders, "folder", "folders"))
	for i, line := range lines {
		lines[i] = runewidth.Truncate(line, width-1, "…")
	}
	return lines
}
