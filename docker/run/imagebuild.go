package run

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"time"

	"rebuild/docker"
	"rebuild/docker/record"
	"rebuild/impact"
)

// imageBuild is the build of one image within a run, in a goroutine of its own.
// What it is given no longer changes.
type imageBuild struct {
	of        *Run
	job       Job               // of which it is a part
	builder   string            // of several; else ""
	steps     *docker.StepLog   // of all tries
	tries     []*docker.StepLog // of each; set by build
	name      string
	state     *impact.State
	predicted *impact.ImagePlan
	old       *record.Record           // nil: none
	parents   map[string]impact.Digest // what it takes from each parent
	taken     map[string]string        // image -> where it is in a registry, of those that another builder made
	blind     bool                     // nobody knows what one of them was built from
	unplanned unplanned                // set by build
	given     docker.Request           // set by build
}

// unplanned is what of a build's request no plan compares.
type unplanned struct {
	noCache, pull bool
	argsIgnored   bool // arguments that the comparison leaves out, or that time or chance gives
}

func (b *imageBuild) unplannedOf(req docker.Request) unplanned {
	im, _ := b.job.States.Catalog.Image(b.name)
	ignored := slices.ContainsFunc(im.IgnoreArgs, func(arg string) bool {
		_, given := req.Image.Args[arg]
		return given
	})
	return unplanned{
		noCache: req.NoCache, pull: req.Pull,
		argsIgnored: ignored || !maps.Equal(im.Args, req.Image.Args) || im.Inline != req.Image.Inline,
	}
}

// run builds the image and records it.
func (b *imageBuild) run(ctx context.Context) Outcome {
	begun := time.Now()
	o := Outcome{Image: b.name, Status: Failed, Builder: b.builder, Predicted: b.predicted.Predicted(), State: record.StateDigest(b.state), build: b}
	res, retries, err := b.buildAgain(ctx)
	o.Retries = retries
	o.Duration = time.Since(begun)
	if err != nil {
		o.Err = err
		var canceled *docker.Canceled
		if errors.Is(context.Cause(ctx), errSuperseded) {
			o.Status = Superseded
		} else if errors.As(err, &canceled) || ctx.Err() != nil {
			o.Status = Cancelled
		} else {
			if saveErr := b.saveFailure(); saveErr != nil {
				o.Err = errors.Join(err, saveErr)
			}
			o.Edited, _ = b.edited(ctx, begun) // what cannot be read is another matter
		}
		return o
	}
	res.Warnings = b.predicted.Values.WithheldAll(res.Warnings)
	o.Result, o.Ran = res, len(b.planned(res))
	// The image is there now, so the record must be written even when the run is
	// being stopped.
	if err = b.forget(res.Again); err == nil {
		o.Edited, err = b.edited(context.WithoutCancel(ctx), begun)
	}
	if err == nil {
		o.record, err = b.save(res, o.Duration, o.Edited)
	}
	if err != nil {
		o.Err = err
		return o
	}
	o.Status = Built
	return o
}

// build asks the engine for the image. The journal knows of it before and after,
// so that what a killed run leaves is found.
func (b *imageBuild) build(ctx context.Context) (*docker.Result, error) {
	req, err := b.job.Request(ctx, b.name)
	if err != nil {
		return nil, err
	}
	b.unplanned = b.unplannedOf(req)
	b.given = req
	req.Push = b.of.Push
	b.place(&req)
	tried := docker.NewStepLog()
	b.tries = append(b.tries, tried)
	shown := docker.Sinks{b.steps, tried}
	if b.of.Progress != nil {
		shown = append(shown, b.of.Progress.Image(b.name))
	}
	req.Progress = shown
	now := b.job.Images
	if before, open := b.of.Journal.uncertain(b.name); open {
		if now, err = afterEnd(ctx, b.of.Builder, before); err != nil {
			return nil, err
		}
	}
	req.ID = rand.Text()
	if err := b.of.Journal.begin(b.name, req.ID, req.Refs, now); err != nil {
		return nil, err
	}
	res, err := b.of.Builder.Build(ctx, req)
	if ended, cut := cutOff(err); cut && ended {
		return nil, errors.Join(err, b.of.Journal.ended(b.name))
	} else if cut {
		return nil, err
	}
	id := ""
	if err == nil {
		id = res.ImageID
	}
	if endErr := b.of.Journal.end(b.name, id); err == nil {
		err = endErr
	}
	return res, err
}

// cutOff tells whether only the engine knows if a build made an image, and whether the
// build has ended there.
func cutOff(err error) (ended, cut bool) {
	var canceled *docker.Canceled
	if errors.As(err, &canceled) {
		return canceled.Ended, true
	}
	var gone *docker.Unreachable
	if !errors.As(err, &gone) {
		return false, false
	}
	_, builder := docker.Elsewhere(err) // of which nothing reaches the engine any more
	return builder, true
}

// planned lists the steps of the plan that were executed, and no others: BuildKit
// also counts reading the Dockerfile, loading a base or exporting.
func (b *imageBuild) planned(res *docker.Result) []docker.Step {
	names := map[string]bool{}
	for _, l := range b.predicted.Layers {
		if l.Step {
			names[l.Name] = true
		}
	}
	var steps []docker.Step
	for _, s := range res.Steps {
		if s.Ran() && names[s.Name] {
			steps = append(steps, s)
		}
	}
	return steps
}

// edited tells whether the image's files were edited while it was built: then
// nobody knows which of them BuildKit saw.
func (b *imageBuild) edited(ctx context.Context, begun time.Time) (bool, error) {
	if b.job.Settled == nil {
		return false, nil
	}
	settled, err := b.job.Settled(ctx, b.name, begun)
	return !settled, err
}

// save keeps what the build saw and made. Of one whose files were edited it
// keeps no state, so that the next run builds it again; nor of one that stands on such
// an image, since its state holds the layers that this should have.
func (b *imageBuild) save(res *docker.Result, took time.Duration, edited bool) (*record.Record, error) {
	rec := &record.Record{
		Image: b.name, ImageID: res.ImageID, Refs: b.given.Refs,
		Parents: b.parents, Chain: res.Chain, Config: res.Config,
		Steps: map[string]float64{}, Built: time.Now(), Builder: b.builder, Pushed: res.Pushed,
	}
	if res.Made.ID != "" {
		rec.Timed = b.timed(res.Made.Labels())
		rec.Shown = res.Made.Shown(rec.Timed)
	}
	if b.old != nil {
		maps.Copy(rec.Steps, b.old.Steps)
		rec.Overhead = b.old.Overhead
	}
	beside := took
	for _, s := range b.planned(res) {
		rec.Steps[s.Name] = s.Duration().Seconds()
		beside -= s.Duration()
	}
	if beside > 0 && beside < took {
		rec.Overhead = beside.Seconds()
	}
	if !edited && !b.blind && len(res.Again) == 0 {
		rec.State = b.state
	}
	return rec, b.of.Records.Save(rec)
}

// timed are the labels with a value that the definition computed from time or chance, which
// the next build computes anew.
func (b *imageBuild) timed(labels map[string]string) []string {
	fixed, _ := b.job.States.Catalog.Image(b.name)
	var computed []string
	for _, of := range []struct{ given, fixed map[string]string }{
		{b.given.Image.Labels, fixed.Labels}, {b.given.Image.Args, fixed.Args},
	} {
		for name, v := range of.given {
			if v != "" && v != of.fixed[name] {
				computed = append(computed, v)
			}
		}
	}
	var names []string
	for name, v := range labels {
		if slices.Contains(computed, v) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// saveFailure notes that the last build failed, beside what the last good one
// made.
func (b *imageBuild) saveFailure() error {
	rec := &record.Record{Image: b.name}
	if b.old != nil {
		*rec = *b.old
	}
	rec.Failed, rec.FailedState = true, record.StateDigest(b.state)
	return b.of.Records.Save(rec)
}
