package terminal

import (
	"strings"
	"testing"
)

// A terminal shows the log, and below it the newest lines alone.
func TestLive(t *testing.T) {
	var out strings.Builder
	v := NewLive(&out)
	if v.Terminal {
		t.Fatal("a terminal")
	}
	write := func(line string) {
		if n, err := v.Write([]byte(line)); n != len(line) || err != nil {
			t.Errorf("wrote %d of %d bytes, %v", n, len(line), err)
		}
	}
	write("log 1\n")
	v.show([]string{"  a", "  b"})
	write("log 2\n")
	v.show([]string{"  c"})
	write("log 3\n")
	v.show(nil)
	if got, want := screen(out.String()), "log 1\nlog 2\nlog 3\n"; got != want {
		t.Errorf("at the end the screen shows %q, want %q", got, want)
	}
	out.Reset()
	v.show([]string{"  a", "  b"})
	write("log 4\n")
	if got, want := screen(out.String()), "log 4\n  a\n  b\n"; got != want {
		t.Errorf("the screen shows %q, want %q", got, want)
	}
}

// screen is what a terminal shows that was given text.
func screen(text string) string {
	lines := []string{""}
	for text != "" {
		switch {
		case strings.HasPrefix(text, "\x1b["):
			up := int(text[2] - '0')
			text = text[len("\x1b[0A\r\x1b[J"):]
			lines = append(lines[:len(lines)-1-up], "")
		case text[0] == '\n':
			lines = append(lines, "")
			text = text[1:]
		default:
			lines[len(lines)-1] += text[:1]
			text = text[1:]
		}
	}
	return strings.Join(lines, "\n")
}

// A terminal that became narrower has wrapped the lines, which take more rows then.
func TestLiveIsNarrowed(t *testing.T) {
	v := NewLive(&strings.Builder{}) // of a width of 80
	v.lines = []string{strings.Repeat("x", 80), strings.Repeat("x", 81), ""}
	if got, want := v.erased(), "\x1b[4A\r\x1b[J"; got != want {
		t.Errorf("erased by %q, want %q", got, want)
	}
}
