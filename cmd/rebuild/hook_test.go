package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"rebuild/cmd/rebuild/session"
	"rebuild/docker"
)

// TestHookStories are stories of real pushes without an engine.
func TestHookStories(t *testing.T) { planStories(t, "testdata/hook") }

// TestHookEngineStories are stories of pushes that build.
func TestHookEngineStories(t *testing.T) { engineStories(t, "testdata/hook-engine") }

// leftIsolated tells whether references of a check of the repository are in the engine.
func leftIsolated(ts *testscript.TestScript, e *docker.Engine, neg bool) {
	images, err := e.Images(context.Background())
	ts.Check(err)
	prefix := session.IsolatedPrefix(ts.MkAbs(filepath.Join(".git", "rebuild")))
	found := slices.ContainsFunc(images.Refs(), func(ref string) bool { return strings.HasPrefix(ref, prefix) })
	if found == neg {
		ts.Fatalf("references %s are left: %v", prefix, found)
	}
}

// push commits all that there is and pushes it: pushes ARG...
func push(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("git", "add", "-A"))
	if ts.Exec("git", "diff", "--cached", "--quiet") != nil {
		ts.Check(ts.Exec("git", "commit", "-qm", "more"))
	}
	ts.Check(os.RemoveAll(ts.Getenv("GIT_TRACE")))
	ts.Check(ts.Exec("git", append([]string{"push", "-q", "origin"}, args...)...))
}

// asked tells whether the last push was checked.
func asked(ts *testscript.TestScript, neg bool, _ []string) {
	if found := strings.Contains(ts.ReadFile(ts.Getenv("GIT_TRACE")), "--show-toplevel"); found == neg {
		ts.Fatalf("checked: %v", found)
	}
}
