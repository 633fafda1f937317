package docker

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"rebuild/impact"
)

// imageBuild is the build of one image within a run, in a goroutine of its own.
// What it is given no longer changes.
type imageBuild struct {
	of       *Run
	work     Work // of which it is a part
	live     *Live
	name     string
	state    *impact.State
	foretold *impact.ImagePlan
	old      *Record                  // nil: none
	parents  map[string]impact.Digest // what it takes from each parent
	blind    bool                     // nobody knows what one of them was built from
	asked    asked                    // set by build
}

// asked is what of a build's request no plan compares.
type asked struct {
	noCache, pull bool
	leftOut       bool // arguments that the comparison leaves out, or that time or chance gives
}

func (b *imageBuild) askedBy(req Request) asked {
	im, _ := b.work.States.Catalog.Image(b.name)
	ignored := slices.ContainsFunc(im.IgnoreArgs, func(arg string) bool {
		_, given := req.Image.Args[arg]
		return given
	})
	return asked{
		noCache: req.NoCache, pull: req.Pull,
		leftOut: ignored || !maps.Equal(im.Args, req.Image.Args) || im.Inline != req.Image.Inline,
	}
}

// run builds the image and records it.
func (b *imageBuild) run(ctx context.Context) Outcome {
	begun := time.Now()
	o := Outcome{Image: b.name, Status: Failed, Foretold: b.foretold.Predicted(), State: StateDigest(b.state), build: b}
	res, err := b.build(ctx)
	o.Duration = time.Since(begun)
	if err != nil {
		o.Err = err
		var canceled *Canceled
		if errors.Is(context.Cause(ctx), errSuperseded) {
			o.Status = Superseded
		} else if errors.As(err, &canceled) || ctx.Err() != nil {
			o.Status = Cancelled
		} else {
			if saveErr := b.recordFailure(); saveErr != nil {
				o.Err = errors.Join(err, saveErr)
			}
			o.Changed, _ = b.changed(ctx, begun) // what cannot be read is another matter
		}
		return o
	}
	o.Result, o.Ran = res, len(b.planned(res))
	// The image is there now, so the record must be written even when the run is
	// being stopped.
	ctx = context.WithoutCancel(ctx)
	if o.Changed, err = b.changed(ctx, begun); err == nil {
		o.record, err = b.record(res, o.Duration, o.Changed)
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
func (b *imageBuild) build(ctx context.Context) (*Result, error) {
	req, err := b.work.Request(ctx, b.name)
	if err != nil {
		return nil, err
	}
	b.asked = b.askedBy(req)
	req.Push = b.of.Push
	shown := sinks{b.live}
	if b.of.Progress != nil {
		shown = append(shown, b.of.Progress.Image(b.name))
	}
	req.Progress = shown
	now := b.work.Images
	if b.of.Journal.Uncertain(b.name) {
		if now, err = b.of.Engine.Images(ctx); err != nil {
			return nil, err
		}
	}
	if err := b.of.Journal.Begin(b.name, req.Refs, now); err != nil {
		return nil, err
	}
	res, err := b.of.Engine.Build(ctx, req)
	if cutOff(err) {
		return nil, err
	}
	id := ""
	if err == nil {
		id = res.ImageID
	}
	if endErr := b.of.Journal.End(b.name, id); err == nil {
		err = endErr
	}
	return res, err
}

// cutOff tells of a build whose end was not waited for: whether it made an image, only
// the engine knows.
func cutOff(err error) bool {
	var canceled *Canceled
	var gone *Unreachable
	return errors.As(err, &canceled) || errors.As(err, &gone)
}

// planned lists the steps of the plan that were executed, and no others: BuildKit
// also counts reading the Dockerfile, loading a base or exporting.
func (b *imageBuild) planned(res *Result) []Step {
	names := map[string]bool{}
	for _, l := range b.foretold.Layers {
		if l.Step {
			names[l.Name] = true
		}
	}
	var steps []Step
	for _, s := range res.Steps {
		if s.Ran() && names[s.Name] {
			steps = append(steps, s)
		}
	}
	return steps
}

// changed tells whether the image's files were edited while it was built: then
// nobody knows which of them BuildKit saw.
func (b *imageBuild) changed(ctx context.Context, begun time.Time) (bool, error) {
	if b.work.Settled == nil {
		return false, nil
	}
	settled, err := b.work.Settled(ctx, b.name, begun)
	return !settled, err
}

// record keeps what the build saw and made. Of one whose files were edited it
// keeps no state, so that the next run builds it again; nor of one that stands on such
// an image, since its state holds the layers that this should have.
func (b *imageBuild) record(res *Result, took time.Duration, changed bool) (*Record, error) {
	rec := &Record{
		Image: b.name, ImageID: res.ImageID, Refs: b.work.refs(b.name),
		Parents: b.parents, Chain: res.Chain, Config: res.Config,
		Steps: map[string]float64{}, Built: time.Now(),
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
	if !changed && !b.blind {
		rec.State = b.state
	}
	return rec, saveState(b.of.Records, rec)
}

// recordFailure notes that the last build failed, beside what the last good one
// made.
func (b *imageBuild) recordFailure() error {
	rec := &Record{Image: b.name}
	if b.old != nil {
		*rec = *b.old
	}
	rec.Failed, rec.FailedState = true, StateDigest(b.state)
	return b.of.Records.Save(rec)
}

// StateDigest names a state of an image.
func StateDigest(s *impact.State) impact.Digest {
	return impact.DigestOf("state", string(s.Output), string(s.Config))
}

// saveState saves a record, with the lists of the files behind its state beside
// it.
func saveState(records *Records, rec *Record) error {
	if rec.State != nil {
		st := *rec.State
		st.Layers = append([]impact.StateLayer(nil), st.Layers...)
		for i, l := range st.Layers {
			st.Layers[i].Reads = append([]impact.StateRead(nil), l.Reads...)
			for j, read := range l.Reads {
				rd := rec.State.Reading(read)
				if rd == nil {
					continue
				}
				data, err := json.Marshal(rd.Files)
				if err != nil {
					return err
				}
				if st.Layers[i].Reads[j].List, err = records.PutManifest(data); err != nil {
					return err
				}
			}
		}
		rec.State = &st
	}
	return records.Save(rec)
}

// Files gives the files behind a read of a record's state, nil when the list is
// lost.
func (r *Records) Files(read impact.StateRead) []impact.File {
	if read.List == "" {
		return nil
	}
	data, err := r.Manifest(read.List)
	if err != nil {
		return nil
	}
	var files []impact.File
	if json.Unmarshal(data, &files) != nil {
		return nil
	}
	return files
}
