package main

import (
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/rogpeppe/go-internal/testscript"

	"rebuild/docker/enginetest"
)

// TestBuilderStories are stories on a buildkitd by itself, which has no image store:
// images that are built on each other start from a static busybox. REBUILD_TEST_BUILDER is
// its address; $ENGINE is an engine beside it, which stories name that load into it, and
// $REGISTRY a registry for builders on this machine, $REFUSES one that lets nobody in.
func TestBuilderStories(t *testing.T) {
	address := os.Getenv("REBUILD_TEST_BUILDER")
	if address == "" {
		t.Skip("REBUILD_TEST_BUILDER names no buildkitd")
	}
	e := enginetest.Connect(t)
	pushes := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(pushes.Close)
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(refuses.Close)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/builder",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Condition:           condition,
		Setup: func(env *testscript.Env) error {
			env.Setenv("BUILDER", address)
			env.Setenv("ENGINE", e.Host())
			env.Setenv("REGISTRY", pushes.Listener.Addr().String())
			env.Setenv("REFUSES", refuses.Listener.Addr().String())
			prefix := fmt.Sprintf("rebuild-story-%x", rand.Uint64())
			env.Setenv("P", prefix)
			env.Defer(func() { removeTags(t, e, prefix) })
			env.Setenv("BUILDKIT_PROGRESS", "plain")
			env.Setenv("DOCKER_HOST", "unix://"+env.WorkDir+"/no-engine.sock")
			env.Defer(func() { endDaemons(t, env.WorkDir) })
			return gitEnv(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fill":   fill,
			"id":     func(ts *testscript.TestScript, _ bool, args []string) { saveID(ts, e, args) },
			"sameid": func(ts *testscript.TestScript, neg bool, args []string) { sameID(ts, e, neg, args) },
			"rmi":    func(ts *testscript.TestScript, _ bool, args []string) { removeImage(ts, e, args) },
		},
	})
}
