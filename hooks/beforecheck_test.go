package hooks

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestRun runs as a program what stands before a check, since it becomes the check.
func TestRun(t *testing.T) {
	if check := os.Getenv("REBUILD_TEST_GUARD"); check != "" {
		if err := Run(t.Context(), []string{check, "an arg"}, os.Stdin); err != nil {
			fmt.Println("error:", err)
		} else {
			fmt.Println("let go")
		}
		return
	}
	if runtime.GOOS == "windows" {
		t.Skip("the check is a file of sh")
	}
	dir := t.TempDir()
	check := filepath.Join(dir, "it's a check")
	write(t, check, "#!/bin/sh\necho \"$1 ${"+TraceVar+"##*/}\"\ncat\nexit 3\n")
	one := "HEAD " + strings.Repeat("a", 40) + " refs/heads/x " + Zero + "\n"
	gone := "(delete) " + Zero + " refs/heads/x " + strings.Repeat("a", 40) + "\n"
	for name, tt := range map[string]struct{ in, env, check, want string }{
		"a push":                {in: one, want: "an arg \n" + one},
		"a push of many refs":   {in: strings.Repeat(one, 5000), want: "an arg \n" + strings.Repeat(one, 5000)},
		"what is no push":       {in: "x\n", want: "an arg \nx\n"},
		"no refs":               {want: "let go\n"},
		"a delete":              {in: gone, want: "let go\n"},
		"a delete and a push":   {in: gone + one, want: "an arg \n" + gone + one},
		"run by pre-commit":     {env: "PRE_COMMIT_TO_REF=" + strings.Repeat("a", 40), want: "an arg \n"},
		"a check that is gone":  {in: one, check: filepath.Join(dir, "none"), want: "error: "},
		"a check that is a dir": {in: one, check: dir, want: "error: "},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.check == "" {
				tt.check = check
			}
			cmd := exec.Command(os.Args[0], "-test.run=^TestRun$")
			cmd.Dir, cmd.Stdin = dir, strings.NewReader(tt.in)
			cmd.Env = append(os.Environ(), "REBUILD_TEST_GUARD="+tt.check, tt.env)
			out, _ := cmd.Output()
			if got := string(out); !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %.200q, want %.200q", got, tt.want)
			}
		})
	}
}
