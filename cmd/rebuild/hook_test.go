package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"rebuild/docker"
)

// TestHookStories are stories of real pushes without an engine.
func TestHookStories(t *testing.T) { planStories(t, "testdata/hook") }

// TestHookEngineStories are stories of pushes that build.
func TestHookEngineStories(t *testing.T) { engineStories(t, "testdata/hook-engine") }

// leftAside tells whether references of a check of the repository are in the engine.
func leftAside(ts *testscript.TestScript, e *docker.Engine, neg bool) {
	held, err := e.Images(context.Background())
	ts.Check(err)
	prefix := asidePrefix(ts.MkAbs(filepath.Join(".git", "rebuild")))
	found := slices.ContainsFunc(held.Refs(), func(ref string) bool { return strings.HasPrefix(ref, prefix) })
	if found == neg {
		ts.Fatalf("references %s are left: %v", prefix, found)
	}
}
