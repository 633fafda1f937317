package main

import (
	"context"
	"errors"
	"time"

	"rebuild/docker"
)

// ongoing is a build that runs.
type ongoing struct {
	live  *docker.Live
	since time.Time
	cause string
}

// observe notes what a run tells of an image.
func (d *daemon) observe(o observation) {
	if o.outcome == nil {
		cause := ""
		if ip := d.newest.p.plan.Image(o.image); ip != nil {
			cause = causeOf(ip)
		}
		d.build[o.image] = &ongoing{live: o.live, since: o.at, cause: cause}
		d.story.building(o.image, cause, d.newest.estimate(o.image))
		return
	}
	b := d.build[o.image]
	if b == nil {
		b = &ongoing{cause: ""}
	}
	delete(d.build, o.image)
	d.outcome(o.outcome, b.cause)
}

// outcome takes in what became of an image.
func (d *daemon) outcome(o *docker.Outcome, cause string) {
	switch o.Status {
	case docker.Built, docker.CutOff, docker.Kept:
		delete(d.failed, o.Image)
		delete(d.held, o.Image)
	}
	switch o.Status {
	case docker.Built:
		d.again[o.Image]++
		d.builtAt[o.Image] = time.Now()
		if d.again[o.Image] >= mostAgain {
			d.held[o.Image] = hold{o.State, "it does not come to rest: it was built several times in a row"}
		}
		d.story.built(o, cause)
		if im, ok := d.newest.p.target.Catalog.Image(o.Image); ok && im.OnSuccess != "" {
			d.commands.add(afterImage{name: o.Image, tags: im.Tags, id: o.Result.ImageID, command: im.OnSuccess})
		}
	case docker.Failed:
		var gone *docker.Unreachable
		if errors.As(o.Err, &gone) {
			return // the run ends by it
		}
		f := newFailedImage(d.newest.p, *o)
		if !o.Changed { // else nobody knows what failed, and it is tried again
			d.failed[o.Image], d.held[o.Image] = f, hold{o.State, failedBefore}
		}
		d.story.failed(o.Image, f, cause)
	case docker.Superseded:
		d.story.superseded(o.Image)
	case docker.CutOff:
		d.story.cutOff(o.Image)
	}
}

// ended takes in the end of a run: what it left is planned anew.
func (d *daemon) ended(end runEnd) {
	d.run.close()
	d.run, d.outdated = nil, d.planning
	clear(d.build) // of a run that ended without saying so of each
	d.dirty = true
	if end.report != nil {
		d.story.warnings(byRun, end.report.Warnings)
	}
	if end.err == nil {
		d.stuck, d.backoff = "", 0
	}
	var gone *docker.Unreachable
	switch {
	case end.err == nil || end.waited:
	case errors.Is(end.err, context.Canceled) || errors.Is(end.err, errStop):
	case errors.As(end.err, &gone):
		d.engineAway(end.err)
		d.dirty = false // the retry sets it
	default:
		if now := end.err.Error(); now != d.stuck {
			d.stuck = now
			d.story.runFailed(end.err)
		}
		d.tryAgain()
		d.dirty = false
	}
}
