package daemon

import (
	"context"
	"errors"
	"time"

	"rebuild/docker"
	"rebuild/docker/record"
	"rebuild/docker/run"
	"rebuild/impact"
)

// activeRun is a run of builds that the daemon has begun. The loop owns it.
type activeRun struct {
	updates chan run.Job
	given   run.Job    // the newest that it has, or is about to get
	newer   *run.Job   // what it is about to get; nil: nothing
	uses    []*attempt // that its builds read from
}

// observation is what a run tells of an image: that its build begins, or its outcome.
type observation struct {
	image   string
	steps   *docker.StepLog
	outcome *run.Outcome
	at      time.Time
}

// runEnd is what a run came to.
type runEnd struct {
	report *run.Report
	err    error
}

// carryOut begins to build what the newest plan asks for, or gives a run that is
// under way the newer job.
func (l *loop) carryOut(ctx context.Context) {
	job := l.newest.Job
	job.Plan = l.newest.without(l.paused)
	todo := len(l.newest.todo()) > 0
	switch {
	case l.active != nil && l.active.wants(job):
		l.active.newer, l.active.given = &job, job
		l.active.use(l.newest)
	case l.active == nil && !l.paused && todo:
		l.active = l.start(ctx, l.newest, job)
	case l.active == nil && !todo:
		l.stuck = nil // by something that nobody asks for any more
	}
}

// renewUpdate takes what failed meanwhile out of a job that the run has not taken yet:
// it would try that again.
func (l *loop) renewUpdate() {
	if l.active == nil || l.active.newer == nil {
		return
	}
	l.findWaiting()
	job := l.newest.Job
	job.Plan = l.newest.without(l.paused)
	l.active.newer, l.active.given = &job, job
	l.active.use(l.newest)
}

// start begins a run.
func (l *loop) start(ctx context.Context, a *attempt, job run.Job) *activeRun {
	r := &activeRun{updates: make(chan run.Job), given: job}
	r.use(a)
	b := Build{
		Job: job, Updates: r.updates,
		Observe: func(image string, steps *docker.StepLog, o *run.Outcome) {
			l.observed <- observation{image, steps, o, time.Now()} // taken by run or shutDown
		},
		Waits: func(h Holder) { l.Events(WaitsForLock{h}) },
	}
	l.others.Go(func() {
		report, err := a.Run(ctx, b)
		l.runEnded <- runEnd{report, err} // taken by run or shutDown
	})
	return r
}

// endRun takes in the end of a run: what it left is planned anew.
func (l *loop) endRun(ctx context.Context, end runEnd) {
	for _, a := range l.active.uses {
		a.release()
	}
	l.active, l.outdated = nil, l.planning
	clear(l.builds) // of a run that ended without an outcome for each
	if end.report != nil {
		l.news.warnings(byRun, end.report.Warnings)
	}
	var gone *docker.Unreachable
	switch {
	case end.err == nil || errors.Is(end.err, ErrWaited):
		l.stuck, l.backoff, l.dirty = nil, 0, true
	case ctx.Err() != nil:
	case errors.As(end.err, &gone):
		l.engineAway(end.err, false)
	default:
		if l.stuck == nil || l.stuck.Error() != end.err.Error() {
			l.Events(RunFailed{end.err})
		}
		l.stuck = end.err
		l.tryAgain()
	}
}

// use keeps what a job was planned from until the run ends.
func (r *activeRun) use(a *attempt) {
	a.retain()
	r.uses = append(r.uses, a)
}

// wants tells whether a job asks for anything else than what the run has.
func (r *activeRun) wants(job run.Job) bool {
	if len(job.States.States) != len(r.given.States.States) {
		return true
	}
	for name, st := range job.States.States {
		old := r.given.States.States[name]
		if old == nil || record.StateDigest(old) != record.StateDigest(st) {
			return true
		}
		now, was := job.Plan.Image(name), r.given.Plan.Image(name)
		if isBuilt(now) != isBuilt(was) && (isBuilt(now) || now != nil && !now.Selected) {
			return true
		}
	}
	return false
}

// isBuilt tells whether a plan has an image built.
func isBuilt(ip *impact.ImagePlan) bool {
	return ip != nil && ip.Selected && ip.Action == impact.Rebuild
}
