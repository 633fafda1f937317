package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"rebuild/cmd/rebuild/recording"
	"rebuild/cmd/rebuild/recording/standin"
	"rebuild/hooks"
)

var update = flag.Bool("update", false, "write what commands print into the stories")

func TestMain(m *testing.M) {
	if folder, program, ok := standin.Called(os.Args[0]); ok { // as in main
		os.Exit(standin.Run(folder, program, os.Args[1:], recording.Evaluate))
	}
	testscript.Main(m, map[string]func(){
		"rebuild": func() { os.Exit(process()) },
		"rebuild-pre-push": func() {
			if err := hooks.Run(context.Background(), os.Args[1:], os.Stdin); err != nil {
				panic(err)
			}
		},
	})
}

// TestPlanStories are stories without an engine.
func TestPlanStories(t *testing.T) { planStories(t, "testdata/plan") }

// TestBombStories are stories of files that ask for more than a plan is given.
func TestBombStories(t *testing.T) { planStories(t, "testdata/bombs") }

func planStories(t *testing.T, dir string) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("DOCKER_HOST", "unix://"+env.WorkDir+"/no-engine.sock")
			return gitEnv(env)
		},
		Condition: condition,
		Cmds:      map[string]func(*testscript.TestScript, bool, []string){"gitsays": gitSays},
	})
}

// condition knows [git-hooks]: git takes hooks from its configuration; and [few-watches]: a
// program can be given few inotify watches, in a user namespace of its own.
func condition(name string) (bool, error) {
	if name == "few-watches" {
		return exec.Command("unshare", "-r", "sh", "-c", "echo 1 > /proc/sys/user/max_inotify_watches").Run() == nil, nil
	}
	if name != "git-hooks" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	out, err := exec.Command("git", "version").Output()
	if err != nil {
		return false, err
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(out), "git version %d.%d", &major, &minor); err != nil {
		return false, err
	}
	return major > 2 || major == 2 && minor >= 54, nil
}

// gitSays puts a git on the PATH that says it is of another version: gitsays VERSION
func gitSays(ts *testscript.TestScript, _ bool, args []string) {
	dir := filepath.Join(ts.Getenv("WORK"), "git-"+args[0])
	real, err := exec.LookPath("git")
	ts.Check(err)
	ts.Check(os.MkdirAll(dir, 0o755))
	text := fmt.Sprintf("#!/bin/sh\n[ \"$1\" != version ] || exec echo 'git version %s'\nexec '%s' \"$@\"\n", args[0], real)
	ts.Check(os.WriteFile(filepath.Join(dir, "git"), []byte(text), 0o755))
	ts.Setenv("PATH", dir+string(filepath.ListSeparator)+ts.Getenv("PATH"))
}

// gitEnv gives a story a git without the user's settings.
func gitEnv(env *testscript.Env) error {
	env.Setenv("HOME", env.WorkDir+"/.home")
	env.Setenv("XDG_STATE_HOME", env.WorkDir+"/.state")
	env.Setenv("GIT_CONFIG_GLOBAL", env.WorkDir+"/.gitconfig")
	env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	for _, kv := range os.Environ() { // the engine of the tests is that of the stories
		if name, value, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "DOCKER_") {
			env.Setenv(name, value)
		}
	}
	const config = "[user]\n\tname = a\n\temail = a@localhost\n[init]\n\tdefaultBranch = main\n[protocol \"file\"]\n\tallow = always\n[advice]\n\tdetachedHead = false\n"
	return os.WriteFile(env.WorkDir+"/.gitconfig", []byte(config), 0o644)
}
