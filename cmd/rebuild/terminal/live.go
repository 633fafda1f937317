package terminal

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"
)

// Live shows a log on a terminal, and lines that stay below it. Elsewhere it is the log
// alone. Its methods may be called concurrently.
type Live struct {
	Terminal bool // somebody looks at it

	out   io.Writer
	mu    sync.Mutex
	lines []string // guarded by mu: those that stand below the log
}

// liveTick is how often the lines below the log are drawn anew.
const liveTick = 200 * time.Millisecond

// NewLive gives one that has no lines below the log yet.
func NewLive(out io.Writer) *Live { return &Live{out: out, Terminal: IsTerminal(out)} }

// Write implements io.Writer: whole lines of the log.
func (v *Live) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n, err := v.out.Write([]byte(v.erased() + string(p) + v.drawn()))
	return min(n, len(p)), err
}

// erased is what takes the lines away, with the cursor where they began. A terminal
// that became narrower since has wrapped them.
func (v *Live) erased() string {
	if len(v.lines) == 0 {
		return ""
	}
	rows, width := 0, v.width()
	for _, line := range v.lines {
		rows += 1 + max(0, runewidth.StringWidth(line)-1)/width
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", rows)
}

func (v *Live) drawn() string {
	if len(v.lines) == 0 {
		return ""
	}
	return strings.Join(v.lines, "\n") + "\n"
}

// show puts other lines below the log.
func (v *Live) show(lines []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	before := v.erased()
	v.lines = lines
	_, _ = io.WriteString(v.out, before+v.drawn()) // the terminal has gone
}

// Run draws the lines that it is given for a width, again and again, until there are none
// to be had or ctx ends. A line must be less wide than that.
func (v *Live) Run(ctx context.Context, lines func(ctx context.Context, width int) ([]string, bool)) {
	if !v.Terminal {
		return
	}
	defer v.show(nil)
	tick := time.NewTicker(liveTick)
	defer tick.Stop()
	drawn := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, ok := lines(ctx, v.width())
		if !ok {
			return
		}
		if text := strings.Join(now, "\n"); text != drawn {
			drawn = text
			v.show(now)
		}
	}
}

// narrowest is the width that is drawn for where none can be had.
const narrowest = 80

func (v *Live) width() int {
	if width := widthOf(v.out); width > 0 {
		return width
	}
	return narrowest
}
