package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"rebuild/docker/enginetest"
	"rebuild/docker/record"
)

// A question that was given up is not answered by "nobody has seen it".
func TestExternalCancelled(t *testing.T) {
	e := enginetest.Connect(t)
	ref := enginetest.Ref(t, fmt.Sprintf("rebuild-engine/os:%x", rand.Uint64()))
	enginetest.Busybox(t, e, ref)
	known := newEngine(t.Context(), e)
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
