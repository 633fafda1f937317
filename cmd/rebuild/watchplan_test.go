package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"rebuild/cmd/rebuild/session"
	"rebuild/docker"
	"rebuild/impact"
)

// Without an engine a planning says so, and what it read; while the definition is broken
// the one before is planned by.
func TestPlanner(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("rebuild.yaml", "images:\n  app: {dockerfile: Dockerfile, tags: [app]}\n")
	write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
	var out bytes.Buffer
	place := session.Place{Dir: dir, Host: "unix://" + filepath.Join(dir, "none.sock")}
	pl := newPlanner(place, session.Query{}, &watchLog{log: zerolog.New(&out)}, &secrets{})

	a := pl.plan(t.Context(), nil)
	var gone *docker.Unreachable
	if !errors.As(a.Err, &gone) || a.Plan != nil || a.Unsettled || a.Close == nil || len(a.FoldersRead) == 0 || !slices.IsSorted(a.FoldersRead) {
		t.Errorf("without an engine: %+v", a)
	}
	a.Close()

	write("rebuild.yaml", "images:\n  app: {docker")
	b := pl.plan(t.Context(), nil)
	if b.Err == nil || errors.As(b.Err, &gone) || !strings.Contains(b.Err.Error(), "rebuild.yaml") {
		t.Errorf("with a broken definition: %v", b.Err)
	}
	b.Close()

	good := &impact.Catalog{Images: []impact.Image{{Name: "app", Tags: []string{"app"}, Refs: []string{"docker.io/library/app:latest"}, Context: ".", Dockerfile: "Dockerfile"}}}
	c := pl.plan(t.Context(), good)
	if !errors.As(c.Err, &gone) { // it came as far as the engine
		t.Errorf("with a definition to fall back on: %v", c.Err)
	}
	c.Close()

	pl.place.Dir = filepath.Join(dir, "none")
	if d := pl.plan(t.Context(), nil); d.Err == nil || d.Close != nil {
		t.Errorf("without a folder: %+v", d)
	}
	if out.Len() > 0 {
		t.Errorf("logged %s", out.String())
	}
}
