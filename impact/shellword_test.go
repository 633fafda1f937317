package impact

import (
	"os/exec"
	"strings"
	"testing"
)

func TestShellWord(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	for name, want := range map[string]string{
		"app/web-1:x":      "app/web-1:x",
		"":                 "''",
		"two words":        "'two words'",
		"it's":             `'it'\''s'`,
		"$(touch x)":       "'$(touch x)'",
		"ünï":              "'ünï'",
		"a\nb'c\\\x1b[1m":  `$'a\012b\'c\\\033[1m'`,
		"caf\xe9 12":       `$'caf\351 12'`,
		"##[add-path]\xe9": `$'\043\043[add-path]\351'`,
	} {
		got := ShellWord(name)
		if got != want {
			t.Errorf("%q: %s, not %s", name, got, want)
		}
		out, err := exec.Command(bash, "-c", "printf '<%s>' "+got).Output()
		if err != nil || string(out) != "<"+name+">" || strings.Contains(got, "\n") {
			t.Errorf("%q: the shell reads %q from %s: %v", name, out, got, err)
		}
	}
}
