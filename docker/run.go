package docker

import (
	"context"
	"time"

	"rebuild/impact"
)

// Run carries out a plan: it builds what is to be rebuilt, each image as soon as
// its parents are done and a slot is free, and keeps a record of each.
type Run struct {
	Engine  *Engine
	Records *Records
	Journal *Journal
	Plan    *impact.Plan
	Images  Images // what the engine held when the plan was made

	// States are the images' states at the target, in the view that records keep.
	States *impact.Snapshot
	// Request prepares the build of an image: its Dockerfile, contexts and so on.
	Request func(ctx context.Context, name string) (Request, error)
	// Settled tells after a build whether the image's files are still those of
	// States; nil when they cannot change.
	Settled func(ctx context.Context, name string) (bool, error)
	// UpToDate tells of an image that it is built already, from this very state, so
	// that a plan against a commit need not build it again.
	UpToDate func(name string) bool
	// Anew says that images of earlier runs do not count: each image that the run
	// comes to is built.
	Anew bool

	Costs    map[string]float64 // seconds that each image is expected to take
	Slots    int
	FailFast bool
	Push     bool
	Progress *Progress
	LogDir   string

	// AuditLog keeps what the plan foretold beside what ran; nil: nothing is kept.
	AuditLog *AuditLog
	// Vouching are records of other runs on the engine, beside Records, that say which
	// layers it has.
	Vouching map[string]*Record
}

// Status is how an image came out of a run.
type Status string

// The ways an image comes out of a run.
const (
	Built     Status = "built"
	Kept      Status = "kept"    // nothing to do
	CutOff    Status = "cut off" // its parents came out the same
	Failed    Status = "failed"
	Skipped   Status = "skipped"  // a parent failed, or the run was stopped
	Cancelled Status = "canceled" // while it was built
)

// Outcome is what became of one image.
type Outcome struct {
	Image    string
	Status   Status
	Err      error  // of a failed one
	Because  string // the image whose failure skipped it
	Result   *Result
	Duration time.Duration
	Ran      int  // steps that were executed
	Foretold int  // steps that the plan said would be
	Changed  bool // its files were edited during the build

	record *Record     // the new one
	build  *imageBuild // that gave the outcome; nil: none was begun
}

// Report is what became of all images of a run, in the order in which they ended.
type Report struct {
	Outcomes []Outcome
	Removed  []string // ids of superseded images that were taken away
	Warnings []string
	Critical string // the image whose failure in a critical phase stopped the run
	Audit    *Audit // what was foretold beside what ran; nil when no build was begun
}

// Outcome gives an image's outcome, nil when the run did not come to it.
func (r *Report) Outcome(image string) *Outcome {
	for i := range r.Outcomes {
		if r.Outcomes[i].Image == image {
			return &r.Outcomes[i]
		}
	}
	return nil
}

// Count counts the images of a status.
func (r *Report) Count(s Status) int {
	n := 0
	for _, o := range r.Outcomes {
		if o.Status == s {
			n++
		}
	}
	return n
}

// Do runs to the end, or until ctx does. The report is always there; the error is
// an *Unreachable engine, the context's, or one of the records' folder.
func (r *Run) Do(ctx context.Context) (*Report, error) {
	x := &execution{
		Run:     r,
		report:  &Report{},
		ended:   make(chan Outcome),
		running: map[string]context.CancelCauseFunc{},
		begun:   time.Now(),
	}
	return x.report, x.do(ctx)
}
