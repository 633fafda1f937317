package terminal

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFold(t *testing.T) {
	for _, tt := range []struct {
		line  string
		width int
		want  []string
	}{
		{"a b", 0, []string{"a b"}},
		{"  one two three", 9, []string{"  one two", "    three"}},
		{"  one two three", 8, []string{"  one", "    two", "    thre", "    e"}},
		{"abcdefgh", 3, []string{"abc", " de", " fg", " h"}},
		{"        x y", 4, []string{"", "  x", "  y"}},
		{"\x1b[90m12:00\x1b[0m one two", 9, []string{"\x1b[90m12:00\x1b[0m one", "  two"}},
		{"日本", 1, []string{"日", "本"}},
		{" 日本", 2, []string{"", " 日", " 本"}},
		{"日本語 日本語", 8, []string{"日本語", "  日本語"}},
	} {
		if got := fold(tt.line, tt.width); !slices.Equal(got, tt.want) {
			t.Errorf("%q within %d: %q, want %q", tt.line, tt.width, got, tt.want)
		}
	}
}

func FuzzFold(f *testing.F) {
	f.Add("  some text of a line\x1b[31m in red\x1b[0m", 10)
	f.Add("日本", 1)
	f.Fuzz(func(t *testing.T, text string, width int) {
		text = strings.ReplaceAll(text, "\n", "")
		if width %= 200; !utf8.ValidString(text) {
			return
		}
		lines := fold(text, width)
		bare := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if bare(strings.Join(lines, "")) != bare(text) {
			t.Errorf("%q within %d is %q", text, width, lines)
		}
		for _, line := range lines {
			if width > 3 && columns(line) > width { // a character may be two wide, and is indented
				t.Errorf("%q is wider than %d", line, width)
			}
		}
		Elide(text, width)
	})
}

func TestElide(t *testing.T) {
	for width, want := range map[int]string{
		30: "docker/services/asr/Dockerfile", 29: "docker/se…ices/asr/Dockerfile", 13: "dock…ckerfile", 2: "…e", 1: "…", 0: "docker/services/asr/Dockerfile",
	} {
		if got := Elide("docker/services/asr/Dockerfile", width); got != want {
			t.Errorf("within %d: %q, want %q", width, got, want)
		}
	}
}
