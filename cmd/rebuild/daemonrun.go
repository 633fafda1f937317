package main

import (
	"context"
	"path/filepath"
	"time"

	"rebuild/docker"
	"rebuild/impact"
)

// activeRun is a run of builds that the daemon has begun. The loop owns it.
type activeRun struct {
	updates chan docker.Work
	given   docker.Work  // the newest that it has, or is about to get
	newer   *docker.Work // what it is about to get; nil: nothing
	needs   []*attempt   // whose workspaces its builds read
}

// observation is what a run tells of an image: that its build begins, or its outcome.
type observation struct {
	image   string
	live    *docker.Live
	outcome *docker.Outcome
	at      time.Time
}

// runEnd is what a run came to.
type runEnd struct {
	report *docker.Report
	err    error
	waited bool // another run had the lock, so that nothing was done
}

// start begins a run, in a goroutine of its own.
func (d *daemon) start(ctx context.Context, a *attempt, work docker.Work) *activeRun {
	r := &activeRun{updates: make(chan docker.Work), given: work}
	r.keep(a)
	go func() {
		end := d.do(ctx, a, r, work)
		d.runDone <- end // taken by loop or shutDown
	}()
	return r
}

// do runs builds under the lock. When another run had it, that may have built
// everything, so that a new plan comes first.
func (d *daemon) do(ctx context.Context, a *attempt, r *activeRun, work docker.Work) (end runEnd) {
	release, err := docker.Acquire(ctx, filepath.Join(d.state, "lock"), true, func(h docker.Holder) {
		d.story.waiting(h)
		end.waited = true
	})
	if err != nil {
		end.err = err
		return end
	}
	defer func() {
		if err := release(); err != nil && end.err == nil {
			end.err = err
		}
	}()
	if end.waited {
		return end
	}
	run, err := a.w.newRun(ctx, a.p)
	if err != nil {
		end.err = err
		return end
	}
	run.Work, run.Updates = work, r.updates
	run.Observe = func(image string, live *docker.Live, o *docker.Outcome) {
		d.observed <- observation{image, live, o, time.Now()} // taken by loop or shutDown
	}
	end.report, end.err = run.Do(ctx)
	return end
}

// keep holds on to the workspace that work was planned in.
func (r *activeRun) keep(a *attempt) {
	a.users++
	r.needs = append(r.needs, a)
}

func (r *activeRun) close() {
	for _, a := range r.needs {
		a.release()
	}
}

// wants tells whether work asks for anything else than what the run has.
func (r *activeRun) wants(work docker.Work) bool {
	if len(work.States.States) != len(r.given.States.States) {
		return true
	}
	for name, st := range work.States.States {
		old := r.given.States.States[name]
		if old == nil || docker.StateDigest(old) != docker.StateDigest(st) {
			return true
		}
		now, was := work.Plan.Image(name), r.given.Plan.Image(name)
		if selected(now) != selected(was) && (selected(now) || now != nil && !now.Selected) {
			return true
		}
	}
	return false
}

// selected tells whether a plan has an image built.
func selected(ip *impact.ImagePlan) bool {
	return ip != nil && ip.Selected && ip.Action == impact.Rebuild
}
