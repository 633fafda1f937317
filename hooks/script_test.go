package hooks

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestScript runs the hook file as git does, beside a kept hook and without one,
// with a program whose path the shell would take apart.
func TestScript(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the hook file is run by git's own sh there")
	}
	a := strings.Repeat("a", 40)
	one := "HEAD " + a + " refs/heads/x " + Zero + "\n"
	for _, tt := range []struct {
		name, kept, guard, in, env string
		want                       string
		fails                      bool
	}{
		{name: "alone", in: one, want: "args: hook run pre-push -- origin a url\n" + one},
		{name: "nothing to push", want: "args: hook run pre-push -- origin a url\n"},
		{name: "told to leave it", in: one, env: "REBUILD=0"},
		{name: "kept", kept: "echo kept $1 $2\ncat", in: one + one, want: "kept origin a url\n" + one + one + "args: hook run pre-push -- origin a url\n" + one + one},
		{name: "kept, nothing to push", kept: "echo kept; cat", want: "kept\nargs: hook run pre-push -- origin a url\n\n"},
		{name: "kept, told to leave it", kept: "cat", in: one, env: "REBUILD=0", want: one},
		{name: "guarded", guard: `echo "guard: ${1##*/}"; exec "$@"`, in: one, want: "guard: it's a $program\nargs: hook run pre-push -- origin a url\n" + one},
		{name: "the guard lets it go", guard: "exit 0", in: one},
		{name: "guarded, told to leave it", guard: "echo guard", in: one, env: "REBUILD=0"},
		{name: "kept fails", kept: "exit 3", in: one, fails: true},
		{name: "kept reads nothing", kept: "exit 0", in: strings.Repeat(one, 5000), want: "args: hook run pre-push -- origin a url\n" + strings.Repeat(one, 5000)},
		{name: "what a shell would change", kept: "cat >/dev/null", in: "$(x)`y`\\ " + a + " r " + a + "\n", want: "args: hook run pre-push -- origin a url\n$(x)`y`\\ " + a + " r " + a + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			program := filepath.Join(dir, "it's a $program")
			write(t, program, "#!/bin/sh\necho \"args: $*\"\ncat\n")
			hook := filepath.Join(dir, "pre-push")
			write(t, hook, Command{Program: program, Args: []string{"hook", "run", "pre-push", "--"}}.script())
			if tt.guard != "" {
				write(t, program+"-pre-push", "#!/bin/sh\n"+tt.guard+"\n")
			}
			if tt.kept != "" {
				write(t, filepath.Join(dir, keptName), "#!/bin/sh\n"+tt.kept+"\n")
			}
			cmd := exec.Command(hook, "origin", "a url")
			cmd.Stdin = strings.NewReader(tt.in)
			cmd.Env = append(os.Environ(), "REBUILD=", tt.env)
			var errs strings.Builder
			cmd.Stderr = &errs
			out, err := cmd.Output()
			if (err != nil) != tt.fails || errs.Len() > 0 {
				t.Errorf("%v %s", err, errs.String())
			}
			if string(out) != tt.want {
				t.Errorf("got %.300q, want %.300q", out, tt.want)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}
