package daemon

import (
	"errors"
	"maps"
	"slices"
	"time"

	"rebuild/docker"
	"rebuild/docker/run"
	"rebuild/impact"
)

// ongoing is a build that runs.
type ongoing struct {
	steps *docker.StepLog
	since time.Time
	cause *Cause
}

// Failure is where and why an image could not be built.
type Failure = run.Failure

// observe notes what a run tells of an image.
func (l *loop) observe(o observation) {
	if o.outcome == nil {
		b := &ongoing{steps: o.steps, since: o.at}
		e := Building{Image: o.image}
		if ip := l.newest.Plan.Image(o.image); ip != nil {
			b.cause = CauseOf(ip)
			e.Cause = b.cause
			if ip.Estimate != nil {
				e.Estimate = *ip.Estimate
			}
		}
		l.builds[o.image] = b
		l.Events(e)
		return
	}
	var cause *Cause
	if b := l.builds[o.image]; b != nil {
		cause = b.cause
		delete(l.builds, o.image)
	}
	l.outcome(*o.outcome, cause)
}

// outcome takes in what became of an image.
func (l *loop) outcome(o run.Outcome, cause *Cause) {
	switch o.Status {
	case run.Built:
		l.succeeded(o.Image)
		l.builtAt[o.Image] = time.Now()
		if l.repeats[o.Image]++; l.repeats[o.Image] >= maxRepeats {
			l.waiting[o.Image] = waiting{o.State, WaitsRestless}
		}
		l.Events(Built{o, cause})
		l.recovered(o.Image)
		if im, ok := l.newest.Target.Catalog.Image(o.Image); ok && im.OnSuccess != "" && l.allows(im) {
			l.commands.add(Command{Image: o.Image, Tags: im.Tags, ImageID: o.Result.ImageID, Line: im.OnSuccess})
		}
	case run.CutOff:
		l.succeeded(o.Image)
		l.Events(CutOff{o.Image})
		l.recovered(o.Image)
	case run.Kept:
		l.succeeded(o.Image)
		l.recovered(o.Image)
	case run.Superseded:
		l.Events(Superseded{o.Image})
	case run.Moved:
		l.Events(Moved{o})
	case run.Failed:
		l.outcomeFailed(o, cause)
	}
}

func (l *loop) succeeded(image string) {
	delete(l.failed, image)
	delete(l.waiting, image)
}

// recovered notes that an image is up to date.
func (l *loop) recovered(image string) {
	if l.unwell[image] {
		delete(l.unwell, image)
		l.Events(Recovered{image})
	}
}

// kept notes which of the images whose builds failed are as they were before that, or gone.
// The plan must be newer than what the last run came to.
func (l *loop) kept(p *impact.Plan) {
	for _, name := range slices.Sorted(maps.Keys(l.unwell)) {
		if ip := p.Image(name); ip == nil {
			delete(l.unwell, name)
		} else if ip.Err == nil && ip.Action == impact.Keep {
			l.recovered(name)
		}
	}
}

func (l *loop) outcomeFailed(o run.Outcome, cause *Cause) {
	var gone *docker.Unreachable
	if errors.As(o.Err, &gone) {
		return // the run ends by it
	}
	f := o.Failure(l.newest.Plan.Image(o.Image))
	// With files that were edited meanwhile nobody knows what failed, and it is tried
	// again.
	if l.repeats[o.Image]++; !o.Edited || l.repeats[o.Image] >= maxRepeats {
		l.failed[o.Image], l.waiting[o.Image] = f, waiting{o.State, WaitsFailed}
		l.renewUpdate()
	}
	l.unwell[o.Image] = true
	l.Events(Failed{o.Image, f, cause})
}
