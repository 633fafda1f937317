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

// TestGuardPlace: a trace counts for one program, its arguments, one folder and one
// environment, and lies where all working trees of the repository find it.
func TestGuardPlace(t *testing.T) {
	r := newRepository(t)
	r.commit("mkdir sub; echo a > a")
	top, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "rebuild")
	write(t, program, "one")
	place := func(check ...string) string {
		t.Helper()
		g, err := NewGuard(append([]string{program}, check...))
		if err != nil {
			t.Fatal(err)
		}
		return g.Trace
	}
	first := place("hook", "origin")
	pushes := filepath.Join(top, ".git", "rebuild", "pushes")
	if filepath.Dir(first) != pushes {
		t.Errorf("the trace is %s", first)
	}
	seen := map[string]string{first: "first"}
	other := func(what string, now string) {
		t.Helper()
		if seen[now] != "" {
			t.Errorf("%s: the trace is that of %s", what, seen[now])
		}
		seen[now] = what
	}
	t.Setenv("SHLVL", "7")
	t.Setenv("_", "x")
	if place("hook", "origin") != first {
		t.Error("what each shell sets makes a difference")
	}
	other("other arguments", place("hook", "upstream"))
	other("arguments cut otherwise", place("hookorigin"))
	t.Setenv("TAG", "2")
	other("another environment", place("hook", "origin"))
	write(t, program, "another one")
	other("another program", place("hook", "origin"))

	linked := filepath.Join(t.TempDir(), "linked")
	r.git("worktree", "add", "-q", linked)
	t.Chdir(linked)
	now := place("hook", "origin")
	if filepath.Dir(now) != pushes {
		t.Errorf("of a linked working tree it is %s", now)
	}
	other("a linked working tree", now)
	t.Setenv("GIT_DIR", filepath.Join(top, ".git", "worktrees", "linked")) // as git says it to hooks there
	if now := place("hook", "origin"); filepath.Dir(now) != pushes {
		t.Errorf("of a linked working tree, by GIT_DIR, it is %s", now)
	}
	t.Setenv("GIT_DIR", filepath.Join(t.TempDir(), "none"))
	if now := place("hook", "origin"); now != "" {
		t.Errorf("without a repository it is %s", now)
	}
}

// TestRun runs the guard as a program, since it becomes the check.
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
