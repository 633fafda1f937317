package run

import (
	"time"

	"rebuild/docker"
	"rebuild/docker/audit"
	"rebuild/docker/record"
	"rebuild/impact"
)

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

	// Superseded is an image whose build was cancelled because a newer job changes it
	// from the layer on that was running, or before.
	Superseded Status = "superseded"

	// Moved is an image whose builder failed it: another one begins it anew.
	Moved Status = "moved"
)

// Outcome is what became of one image.
type Outcome struct {
	Image     string
	Status    Status
	Err       error  // of a failed or moved one
	Builder   string // of several, that which built it or failed to; "": none
	Because   string // the image whose failure skipped it
	Result    *docker.Result
	Duration  time.Duration
	Ran       int      // steps that were executed
	Predicted int      // steps that the plan said would be
	Retries   []string // why each try before the last failed: faults that pass (docker.Transient)
	Edited    bool     // its files were edited during the build: it is of no state for certain

	State impact.Digest // of what was built or could not be (record.StateDigest); "" when nothing was

	record *record.Record // the new one
	build  *imageBuild    // that gave the outcome; nil: none was begun
}

// Report is what became of all images of a run, in the order in which they ended.
// With updates an image may be in it several times.
type Report struct {
	Outcomes []Outcome
	Removed  []string // ids of superseded images that were taken away
	Warnings []string
	Lost     []Lost
	Critical string       // the image whose failure in a critical phase stopped the run
	Audit    *audit.Audit // what was predicted beside what ran; nil when no build was begun
}

// Lost is a builder that was given up in the middle of a run.
type Lost struct {
	Builder string
	Cause   string
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
