package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"rebuild/docker"
	"rebuild/docker/enginetest"
	"rebuild/docker/record"
	"rebuild/impact"
)

// A question that was given up is not answered by "nobody has seen it".
func TestExternalCancelled(t *testing.T) {
	e := enginetest.Connect(t)
	ref := enginetest.Ref(t, fmt.Sprintf("rebuild-engine/os:%x", rand.Uint64()))
	enginetest.Busybox(t, e, ref)
	known := newEngine(t.Context(), e)
	known.dir = t.TempDir()
	close(known.placed)
	defer known.close()
	known.records = record.Open(t.TempDir(), "engine")
	external := known.external(true)
	if _, err := known.images(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The frontend writes into the errors that it is given, so two references never get
	// the same one.
	gone, cancel := context.WithCancelCause(t.Context())
	other := errors.New("the error of another reference")
	cancel(other)
	if b, err := external(gone, ref, ""); !errors.Is(err, context.Canceled) || errors.Is(err, other) {
		t.Errorf("given up: %+v %v", b, err)
	}
	if b, err := external(t.Context(), ref, ""); err != nil || !b.Known {
		t.Errorf("asked again: %+v %v", b, err)
	}
}

// TestExternalWaiting: who is given up while the engine has not answered yet does not learn
// what a record says of before, and neither does who asks after that.
func TestExternalWaiting(t *testing.T) {
	const ref = "docker.io/library/os:1"
	records := record.Open(t.TempDir(), "engine")
	image := func(id, layer string) record.BaseImage {
		return record.BaseImage{ID: id, Config: []byte("{}"), Chain: []string{layer}}
	}
	before, now := image("sha256:before", "sha256:1"), image("sha256:now", "sha256:2")
	if err := errors.Join(records.PutBase(ref, now), records.PutBase(ref, before)); err != nil {
		t.Fatal(err)
	}
	e := &engine{conn: &docker.Engine{}, records: records, holds: &answer{done: make(chan struct{})}, bases: map[string]impact.Base{}}
	external := e.external(true)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if b, err := external(gone, ref, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %+v %v", b, err)
	}
	e.holds.images = docker.NewImages([]docker.Image{{ID: now.ID, Tags: []string{ref}}})
	close(e.holds.done)
	if b, err := external(t.Context(), ref, ""); err != nil || b.Key != knownBase(now).Key {
		t.Errorf("the engine has %+v, not %+v: %v", knownBase(now), b, err)
	}
}
