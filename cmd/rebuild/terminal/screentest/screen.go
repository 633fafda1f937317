// Package screentest is a terminal for tests: it shows what a person would see.
//
// It promises that a line which the terminal had to wrap is never overlooked, but for
// hints, whose commands are there to be copied. Characters
// are one column wide.
package screentest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hinshun/vt10x"
)

// Screen is a terminal that is written to. Its methods may be called concurrently.
type Screen struct {
	t testing.TB

	mu     sync.Mutex // guards all below
	vt     vt10x.Terminal
	frames []string // what each write wrote, since Frames was called

	written *sync.Cond // with mu: something was
}

// New makes an empty screen. A line that it has to wrap fails the test, unless it is a hint.
func New(t testing.TB, width, height int) *Screen {
	s := &Screen{t: t, vt: vt10x.New(vt10x.WithSize(width, height))}
	s.written = sync.NewCond(&s.mu)
	return s
}

// Size says how many columns and rows there are.
func (s *Screen) Size() (width, height int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.vt.Size()
}

// Resize changes that. Lines do not flow anew.
func (s *Screen) Resize(width, height int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vt.Resize(width, height)
}

// wrapped marks the last cell of a line that goes on below (attrWrap of vt10x).
const wrapped = 1 << 6

// Write implements io.Writer. As the system does for a terminal, it makes a carriage return
// of each new line as well (termios, ONLCR).
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.written.Broadcast()
	s.frames = append(s.frames, string(p))
	if _, err := s.vt.Write([]byte(strings.ReplaceAll(string(p), "\n", "\r\n"))); err != nil {
		return 0, err
	}
	if strings.HasPrefix(string(p), "rebuild: hint: ") { // one line, to be copied
		return len(p), nil
	}
	width, height := s.vt.Size()
	for y := range height {
		if s.vt.Cell(width-1, y).Mode&wrapped != 0 {
			s.t.Helper()
			s.t.Errorf("a line is wider than %d columns, of %q", width, p)
			break
		}
	}
	return len(p), nil
}

// Frames gives what was written since it was last asked, each write by itself.
func (s *Screen) Frames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	frames := s.frames
	s.frames = nil
	return frames
}

// Text is what the screen shows, without blanks at the end of lines and without empty lines
// at its end.
func (s *Screen) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text()
}

// Shows waits for a text, but no longer than that.
func (s *Screen) Shows(text string, within time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	late := false
	timer := time.AfterFunc(within, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		late = true
		s.written.Broadcast()
	})
	defer timer.Stop()
	for !strings.Contains(s.text(), text) {
		if late {
			return false
		}
		s.written.Wait()
	}
	return true
}

func (s *Screen) text() string {
	var lines []string
	for line := range strings.Lines(s.vt.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

// Cursor says where that is, and whether it can be seen.
func (s *Screen) Cursor() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.vt.Cursor()
	return fmt.Sprintf("%d,%d %v", at.X, at.Y, s.vt.CursorVisible())
}
