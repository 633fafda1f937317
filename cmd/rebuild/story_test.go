package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"rebuild/hooks"
)

var update = flag.Bool("update", false, "write what commands print into the stories")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"rebuild": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
		},
		"rebuild-pre-push": func() {
			if err := hooks.Run(context.Background(), os.Args[1:], os.Stdin); err != nil {
				panic(err)
			}
		},
	})
}

// TestPlanStories are stories without an engine.
func TestPlanStories(t *testing.T) { planStories(t, "testdata/plan") }

func planStories(t *testing.T, dir string) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("DOCKER_HOST", "unix://"+env.WorkDir+"/no-engine.sock")
			return gitEnv(env)
		},
	})
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
