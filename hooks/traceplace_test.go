package hooks

import (
	"os"
	"path/filepath"
	"testing"
)

// TestTraceFilePlace: a trace counts for one program, its arguments, one folder and one
// environment, and lies where all working trees of the repository find it.
func TestTraceFilePlace(t *testing.T) {
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
		file, err := traceFile(append([]string{program}, check...))
		if err != nil {
			t.Fatal(err)
		}
		return file
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
