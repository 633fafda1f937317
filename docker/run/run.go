// Package run carries out a plan: it builds what is to be rebuilt, each image as soon as
// its parents are done and a slot is free, and keeps a record of each.
//
// It promises that no build is begun whose parent failed, that a build goes on only while
// it makes what the newest job wants, that nothing is removed but what a run made, and
// that what a killed run left is found by the next one.
package run

import (
	"context"
	"time"

	"rebuild/docker"
	"rebuild/docker/audit"
	"rebuild/docker/record"
)

// Builder is where images are built: an engine, or a buildkitd, which stores none.
type Builder interface {
	// Build builds one image. The error is a *docker.BuildFailure, *docker.Canceled or
	// *docker.Unreachable, or says what is wrong with the request.
	Build(ctx context.Context, req docker.Request) (*docker.Result, error)
	// Ended waits until it works on none of the builds any more, by Request.ID.
	Ended(ctx context.Context, builds ...string) error
	// Images lists what the engine has, in one call; of a buildkitd it is not known.
	Images(ctx context.Context) (docker.Images, error)
	// RemoveUntagged removes an image that has no tag; gone is false when something
	// needs it.
	RemoveUntagged(ctx context.Context, id string) (gone bool, err error)
	// CacheUsage lists the results in the build cache.
	CacheUsage(ctx context.Context) ([]docker.CacheEntry, error)
	// Version is the engine's, "" when it has none.
	Version(ctx context.Context) (string, error)
}

// Run carries out a job, and the newer ones that take its place.
type Run struct {
	Job     Job
	Builder Builder
	Records *record.Store
	Journal *Journal

	// Updates brings newer jobs while the run goes on: see Do. Nil: there are none.
	Updates <-chan Job
	// Observe is called for each image that the run starts to build, with the steps of
	// that build and no outcome, and for each outcome, without steps. Calls come one after
	// another; the run waits for them. It may be nil.
	Observe func(image string, steps *docker.StepLog, o *Outcome)

	Slots    int // of each builder
	FailFast bool
	Push     bool
	Progress *docker.Progress // nil: nothing is shown

	// AuditLog keeps what the plan predicted beside what ran; nil: nothing is kept.
	AuditLog *audit.Log
	// Vouching are records of other runs on the engine, beside Records, that say which
	// layers it has.
	Vouching map[string]*record.Record
}

// Do runs to the end, or until ctx does. The report is always there; the error is
// a *docker.Unreachable engine, the context's, or one of the records' folder.
//
// A newer job takes the place of what is not yet started. A build that runs goes on
// when the new job wants the same of its image; it also goes on when what it runs
// at the moment is of use to the new build (impact.Wasted), which then follows; else
// it is cancelled, and what it had finished stays in BuildKit's cache. The run ends
// when nothing is left to do: a job that it did not take by then is left to the caller.
func (r *Run) Do(ctx context.Context) (*Report, error) {
	x := &execution{
		Run:     r,
		job:     r.Job,
		report:  &Report{},
		ended:   make(chan Outcome),
		running: map[string]*runningBuild{},
		moved:   map[string]bool{},
		begun:   time.Now(),
	}
	return x.report, x.do(ctx)
}
