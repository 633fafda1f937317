package docker

import (
	"context"
	"time"

	"rebuild/impact"
)

// Run carries out a plan: it builds what is to be rebuilt, each image as soon as
// its parents are done and a slot is free, and keeps a record of each.
type Run struct {
	Work
	Engine  *Engine
	Records *Records
	Journal *Journal

	// Updates brings newer work while the run goes on: see Do. Nil: there is none.
	Updates <-chan Work
	// Observe is told of every image that the run starts to build, with a look at its
	// build and no outcome, and of every one that it is done with. Calls come one
	// after another; the run waits for them. It may be nil.
	Observe func(image string, live *Live, o *Outcome)

	Slots    int
	FailFast bool
	Push     bool
	Progress *Progress

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

	// Superseded is an image whose build was cancelled because newer work changes it
	// from the layer on that was running, or before.
	Superseded Status = "superseded"
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
	Changed  bool // its files were edited during the build: it is of no state for certain

	State impact.Digest // of what was built or could not be (StateDigest); "" when nothing was

	record *Record     // the new one
	build  *imageBuild // that gave the outcome; nil: none was begun
}

// Report is what became of all images of a run, in the order in which they ended.
// With updates an image may be in it several times.
type Report struct {
	Outcomes []Outcome
	Removed  []string // ids of superseded images that were taken away
	Warnings []string
	Critical string // the image whose failure in a critical phase stopped the run
	Audit    *Audit // what was foretold beside what ran; nil when no build was begun
}

// Outcome gives an image's last outcome, nil when the run did not come to it.
func (r *Report) Outcome(image string) *Outcome {
	for i := len(r.Outcomes) - 1; i >= 0; i-- {
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
//
// Newer work takes the place of what is not yet started. A build that runs goes on
// when the new work wants the same of its image; it also goes on when what it runs
// at the moment is of use to the new build (impact.Wasted), which then follows; else
// it is cancelled, and what it had finished stays in BuildKit's cache. The run ends
// when nothing is left to do: work that it did not take is the caller's again.
func (r *Run) Do(ctx context.Context) (*Report, error) {
	x := &execution{
		Run:     r,
		work:    r.Work,
		report:  &Report{},
		ended:   make(chan Outcome),
		running: map[string]*runningBuild{},
		begun:   time.Now(),
	}
	return x.report, x.do(ctx)
}
