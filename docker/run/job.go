package run

import (
	"context"
	"time"

	"rebuild/docker"
	"rebuild/impact"
)

// Job is a plan with what its builds need. It does not change once it is given.
type Job struct {
	Plan   *impact.Plan
	Images docker.Images // what the engine had when the plan was made
	Made   time.Time     // before the engine was asked and the records were read for the plan

	// States are the images' states at the target, in the view that records keep.
	States *impact.Snapshot
	// Request prepares the build of an image: its Dockerfile, contexts and so on.
	Request func(ctx context.Context, name string) (docker.Request, error)
	// Settled says after a build whether the image's files are those of States, and were
	// so since the build began; nil when they cannot change.
	Settled func(ctx context.Context, name string, since time.Time) (bool, error)
	// UpToDate says whether an image is built already from this very state, so that a
	// plan against a commit need not build it once more. It may be nil.
	UpToDate func(name string) bool
	// Anew says that images of earlier runs do not count: each image that the run
	// comes to is built.
	Anew bool

	Costs map[string]float64 // seconds that each image is expected to take

	// Builders are, of several, those that answer, by docker.Request.Builder; nil: there is
	// one. The run spreads its images over them. What one that goes away was building is
	// built by another, once.
	Builders []string
	// Able are, of several builders, those that build an image best; an image that is not
	// in it is built by any.
	Able map[string][]string
}
