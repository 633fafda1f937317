package terminal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rebuild/cmd/rebuild/terminal/screentest"
)

func onTerminal(t *testing.T, width, height int) (*Live, *screentest.Screen) {
	t.Helper()
	t.Setenv("TERM", "xterm")
	s := screentest.New(t, width, height)
	v := NewLive(s)
	if !v.Terminal {
		t.Fatal("no terminal")
	}
	return v, s
}

func say(t *testing.T, v *Live, line string) {
	t.Helper()
	if n, err := v.Write([]byte(line)); n != len(line) || err != nil {
		t.Errorf("wrote %d of %d bytes, %v", n, len(line), err)
	}
}

func shows(t *testing.T, s *screentest.Screen, want string) {
	t.Helper()
	if got := s.Text(); got != want {
		t.Errorf("the screen shows\n%s\nwant\n%s", got, want)
	}
	if at, want := s.Cursor(), fmt.Sprintf("0,%d true", strings.Count(strings.TrimLeft(want, "\n"), "\n")); at != want {
		t.Errorf("the cursor is at %s, want %s", at, want)
	}
}

// A terminal shows the log, and below it the newest lines alone.
func TestLive(t *testing.T) {
	v, s := onTerminal(t, 40, 12)
	say(t, v, "log 1\n")
	v.show([]string{"  a", "  b"})
	say(t, v, "log 2\nlog 3\n")
	say(t, v, "\a")
	shows(t, s, "log 1\nlog 2\nlog 3\n  a\n  b\n")
	v.show([]string{"  c", "  b", "  d"})
	say(t, v, "a line that is so long that it goes on below, and is indented there\n")
	shows(t, s, "log 1\nlog 2\nlog 3\na line that is so long that it goes on\n  below, and is indented there\n  c\n  b\n  d\n")
	v.show([]string{"  e"})
	shows(t, s, "log 1\nlog 2\nlog 3\na line that is so long that it goes on\n  below, and is indented there\n  e\n")
	v.show(nil)
	say(t, v, "log 4\n")
	shows(t, s, "log 1\nlog 2\nlog 3\na line that is so long that it goes on\n  below, and is indented there\nlog 4\n")
}

// A frame is one write, which holds only what changed.
func TestLiveWritesWhatChanged(t *testing.T) {
	v, s := onTerminal(t, 40, 12)
	lines := []string{"  first", "  second", "  third", "  last"}
	v.show(lines)
	s.Frames()
	v.show(slices.Clone(lines))
	if frames := s.Frames(); len(frames) > 0 {
		t.Errorf("nothing changed, and it wrote %q", frames)
	}
	lines[1], lines[3] = "  other", "  end"
	v.show(lines)
	want := "\x1b[?2026h\x1b[?25l\r\x1b[K" + "\x1b[3A  other\x1b[K\r" + "\x1b[2B  end\x1b[K\r" + "\x1b[1B" + "\x1b[?25h\x1b[?2026l"
	if frames := s.Frames(); len(frames) != 1 || frames[0] != want {
		t.Errorf("wrote %q, want %q", frames, want)
	}
	shows(t, s, "  first\n  other\n  third\n  end\n")
	if _, err := s.Write([]byte("^C")); err != nil { // as the system does what is typed
		t.Fatal(err)
	}
	lines[0] = "  one"
	v.show(lines)
	shows(t, s, "  one\n  other\n  third\n  end\n")
	s.Frames()
	say(t, v, "log\n")
	if frames := s.Frames(); len(frames) != 1 || strings.Contains(frames[0], clearBelow) {
		t.Errorf("a line of the log took %q", frames)
	}
}

// Whatever is written in whichever order, the screen is as if all had been printed anew, in
// screens of any size.
func TestLiveIsAsPrinted(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	text := func() string { return strings.Repeat("ab ", r.IntN(30)) + "x" }
	for range 300 {
		width, height := 4+r.IntN(60), 1+r.IntN(20)
		v, s := onTerminal(t, width, height)
		var log []string
		top := 0 // lines that have left the screen, and do not come back
		for range r.IntN(20) {
			if r.IntN(2) == 0 {
				line := text()
				log = append(log, fold(line, width-1)...)
				say(t, v, line+"\n")
			} else {
				lines := slices.Clone(v.lines)
				for i := range lines {
					if r.IntN(3) == 0 {
						lines[i] = text()
					}
				}
				lines = lines[:len(lines)-r.IntN(len(lines)+1)]
				for range r.IntN(4) {
					lines = append(lines, text())
				}
				v.show(lines)
			}
			all := append(slices.Concat(log, v.lines), "")
			top = max(top, len(all)-height)
			want := strings.TrimRight(strings.Join(all[top:], "\n"), "\n") + "\n"
			if got := s.Text(); got != want {
				t.Fatalf("%d×%d shows\n%s\nwant\n%s", width, height, got, want)
			}
		}
	}
}

// A terminal that became narrower has wrapped the lines, which take more rows then.
func TestLiveIsNarrowed(t *testing.T) {
	v, s := onTerminal(t, 80, 12)
	v.show([]string{strings.Repeat("x", 79), strings.Repeat("y", 40), ""})
	s.Resize(40, 12)
	s.Frames()
	v.show([]string{"z"})
	want := v.begin() + "\x1b[4A\r" + clearBelow + "z" + clearRest + "\n" + clearBelow + v.end()
	if frames := s.Frames(); len(frames) != 1 || frames[0] != want {
		t.Errorf("wrote %q, want %q", frames, want)
	}
}

// What has no room is left out, but for the last line; a terminal that cannot move its
// cursor, and what is none, has the log alone.
func TestLiveIsBounded(t *testing.T) {
	v, s := onTerminal(t, 30, 6)
	v.show([]string{"a", "b", "c", "d", strings.Repeat("e", 40), "end"})
	shows(t, s, "a\nb\n  … and 3 more\nend\n")
	v, s = onTerminal(t, 30, 3)
	v.show([]string{"a", "b", "end"})
	shows(t, s, "end\n")
	t.Setenv("TERM", "dumb")
	if NewLive(s).Terminal || NewLive(&strings.Builder{}).Terminal {
		t.Error("lines below the log")
	}
	t.Setenv("TERM", "linux")
	if v := NewLive(s); strings.Contains(v.begin()+v.end(), "2026") {
		t.Error("a console that does not know it is told of frames")
	}
}

// Lines are drawn ten times a second, and taken away at the end.
func TestLiveRuns(t *testing.T) {
	v, s := onTerminal(t, 30, 6)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		begun := time.Now()
		go v.Run(ctx, func(context.Context, int) ([]string, bool) {
			return []string{fmt.Sprint(time.Since(begun).Milliseconds())}, true
		})
		time.Sleep(1050 * time.Millisecond)
		synctest.Wait()
		if frames := s.Frames(); len(frames) != 10 {
			t.Errorf("%d frames in a second", len(frames))
		}
		shows(t, s, "1000\n")
		cancel()
		synctest.Wait()
		shows(t, s, "\n")
	})
}
