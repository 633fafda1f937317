package main

import (
	"context"
	"errors"
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

	"rebuild/docker"
	"rebuild/docker/enginetest"
)

// TestBuilderStories are stories on a buildkitd by itself, which has no image store:
// images that are built on each other start from a static busybox. REBUILD_TEST_BUILDER is
// its address; $ENGINE is an engine beside it, which stories name that load into it, and
// $REGISTRY a registry for builders on this machine, $REFUSES one that lets nobody in.
func TestBuilderStories(t *testing.T) {
	address := builderAddress(t)
	builderStories(t, "testdata/builder", address, enginetest.Connect(t))
}

// TestPodmanStories are stories on a Podman, which keeps images and builds none, and a
// buildkitd beside it.
func TestPodmanStories(t *testing.T) {
	address, e := builderAddress(t), enginetest.Connect(t)
	var buildless *docker.NoBuildKit
	if err := e.CanBuild(t.Context()); !errors.As(err, &buildless) {
		t.Skipf("the engine is no Podman (%v)", err)
	}
	builderStories(t, "testdata/podman", address, e)
}

func builderAddress(t *testing.T) string {
	t.Helper()
	address := os.Getenv("REBUILD_TEST_BUILDER")
	if address == "" {
		t.Skip("REBUILD_TEST_BUILDER names no buildkitd")
	}
	return address
}

func builderStories(t *testing.T, dir, address string, e *docker.Engine) {
	pushes := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(pushes.Close)
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(refuses.Close)
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
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
			env.Defer(func() { endDaemons(t, env.WorkDir) })
			if err := gitEnv(env); err != nil {
				return err
			}
			env.Setenv("DOCKER_HOST", "unix://"+env.WorkDir+"/no-engine.sock")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fill":   fill,
			"id":     func(ts *testscript.TestScript, _ bool, args []string) { saveID(ts, e, args) },
			"sameid": func(ts *testscript.TestScript, neg bool, args []string) { sameID(ts, e, neg, args) },
			"rmi":    func(ts *testscript.TestScript, _ bool, args []string) { removeImage(ts, e, args) },
			"tag":    func(ts *testscript.TestScript, _ bool, args []string) { tagImage(ts, e, args) },
			"held":   func(ts *testscript.TestScript, neg bool, args []string) { heldImages(ts, e, neg, args) },
			"pushes": push,
		},
	})
}

// heldImages tells whether the engine has images: held REF|ID...
func heldImages(ts *testscript.TestScript, e *docker.Engine, neg bool, args []string) {
	for _, ref := range args {
		_, err := e.Inspect(context.Background(), ref)
		if err != nil && !errors.Is(err, docker.ErrNoImage) {
			ts.Fatalf("%s: %v", ref, err)
		}
		if held := err == nil; held == neg {
			ts.Fatalf("%s is held: %v", ref, held)
		}
	}
}
