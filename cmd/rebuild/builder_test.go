package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestBuilderStories are stories on a buildkitd by itself, which has no image store:
// images that are built on each other start from a static busybox. REBUILD_TEST_BUILDER is
// its address.
func TestBuilderStories(t *testing.T) {
	address := os.Getenv("REBUILD_TEST_BUILDER")
	if address == "" {
		t.Skip("REBUILD_TEST_BUILDER names no buildkitd")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/builder",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Condition:           condition,
		Setup: func(env *testscript.Env) error {
			env.Setenv("BUILDER", address)
			env.Setenv("P", fmt.Sprintf("rebuild-story-%x", rand.Uint64()))
			env.Setenv("BUILDKIT_PROGRESS", "plain")
			env.Setenv("DOCKER_HOST", "unix://"+env.WorkDir+"/no-engine.sock")
			env.Defer(func() { endDaemons(t, env.WorkDir) })
			return gitEnv(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fill":    fill,
			"logged":  logged,
			"appears": appears,
		},
	})
}
