package docker

import (
	"context"
	"time"

	"rebuild/impact"
)

// Work is a plan with what its builds need.
type Work struct {
	Plan   *impact.Plan
	Images Images    // what the engine held when the plan was made
	Made   time.Time // before the engine was asked, and the records were read, that the plan was made of

	// States are the images' states at the target, in the view that records keep.
	States *impact.Snapshot
	// Request prepares the build of an image: its Dockerfile, contexts and so on.
	Request func(ctx context.Context, name string) (Request, error)
	// Settled tells after a build whether the image's files are those of States and
	// were so since it began; nil when they cannot change.
	Settled func(ctx context.Context, name string, since time.Time) (bool, error)
	// UpToDate tells of an image that it is built already, from this very state, so
	// that a plan against a commit need not build it again.
	UpToDate func(name string) bool
	// Anew says that images of earlier runs do not count: each image that the run
	// comes to is built.
	Anew bool

	Costs map[string]float64 // seconds that each image is expected to take
}

// refs are the references that an image gets.
func (w Work) refs(name string) []string {
	im, _ := w.States.Catalog.Image(name)
	return im.Refs
}
