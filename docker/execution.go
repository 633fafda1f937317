package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"rebuild/impact"
)

// execution is the state of a run. One goroutine owns it; builds only send.
type execution struct {
	*Run
	work    Work // the newest
	report  *Report
	sched   *impact.Schedule
	done    map[string]*Outcome // of the newest work
	outputs map[string]*Record  // what images are now, as far as is known
	ended   chan Outcome
	running map[string]*runningBuild
	stopped bool  // nothing more is started
	fatal   error // ends the run

	// For the audit: when the run began, and the records that it found.
	begun  time.Time
	before map[string]*Record
}

// runningBuild is a build that has not ended.
type runningBuild struct {
	*imageBuild
	cancel     context.CancelCauseFunc
	superseded bool
	awaited    bool // its task was taken from the schedule while it ran
}

// Why builds of a run are cancelled.
var (
	errStopped    = errors.New("stopped because of another image")
	errSuperseded = errors.New("superseded by a newer change")
)

func (x *execution) do(ctx context.Context) error {
	records, warnings := x.Records.LoadAll(x.work.States.Catalog.Names())
	x.outputs, x.before = records, maps.Clone(records)
	x.report.Warnings = append(x.report.Warnings, warnings...)
	x.begin(x.work)
	updates := x.Updates
	for {
		x.start(ctx)
		if len(x.running) == 0 {
			break
		}
		select {
		case o := <-x.ended:
			x.end(o)
		case w, ok := <-updates:
			if !ok {
				updates = nil
				continue
			}
			x.revise(w)
		}
	}
	for _, name := range x.involved() {
		if x.done[name] == nil {
			x.note(Outcome{Image: name, Status: Skipped, Because: x.report.Critical})
		}
	}
	x.audit(ctx) // while the engine still has what the sweep takes away
	if x.fatal == nil && ctx.Err() == nil {
		x.sweep(ctx)
	}
	if x.fatal != nil {
		return x.fatal
	}
	return context.Cause(ctx)
}

// begin schedules work.
func (x *execution) begin(w Work) {
	x.work, x.done, x.stopped = w, map[string]*Outcome{}, x.fatal != nil
	x.report.Critical = ""
	x.sched = impact.NewSchedule(x.tasks(x.involved()))
}

// revise puts newer work in the place of the old.
func (x *execution) revise(w Work) {
	x.begin(w)
	for name, b := range x.running {
		b.awaited = false
		if !b.superseded && impact.Wasted(b.state, w.States.States[name], b.live.Running()) {
			b.superseded = true
			b.cancel(errSuperseded)
		}
	}
}

// current tells whether a build makes what the newest work wants of its image.
func (x *execution) current(b *runningBuild) bool {
	now := x.work.States.States[b.name]
	return !b.superseded && now != nil && StateDigest(b.state) == StateDigest(now)
}

// involved lists the images that the run looks at: those to rebuild, and those to
// keep that hang on one, in parents-first order.
func (x *execution) involved() []string {
	in := map[string]bool{}
	var names []string
	for _, name := range x.work.States.Order {
		ip := x.work.Plan.Image(name)
		if ip == nil || !ip.Selected {
			continue
		}
		hangs := slices.ContainsFunc(ip.Parents, func(p string) bool { return in[p] })
		if ip.Action == impact.Rebuild || hangs {
			in[name] = true
			names = append(names, name)
		}
	}
	return names
}

func (x *execution) tasks(names []string) []impact.Task {
	tasks := make([]impact.Task, len(names))
	for i, name := range names {
		ip := x.work.Plan.Image(name)
		tasks[i] = impact.Task{Name: name, Parents: ip.Parents, Phase: ip.Phase, Cost: x.work.Costs[name]}
	}
	return tasks
}

// start fills the free slots.
func (x *execution) start(ctx context.Context) {
	for !x.stopped && ctx.Err() == nil && len(x.running) < max(x.Slots, 1) {
		name, ok := x.sched.Next()
		if !ok {
			return
		}
		if x.done[name] != nil {
			continue // by a build that ran when the work was revised
		}
		if b := x.running[name]; b != nil {
			b.awaited = true
			continue
		}
		if o, ok := x.without(name); ok {
			x.settle(o)
			continue
		}
		ctx, cancel := context.WithCancelCause(ctx)
		b := x.imageBuild(name)
		x.running[name] = &runningBuild{imageBuild: b, cancel: cancel}
		if x.Observe != nil {
			x.Observe(name, b.live, nil)
		}
		go func() {
			defer cancel(nil)
			x.ended <- b.run(ctx)
		}()
	}
}

// without gives the outcome of an image that needs no build, or can have none.
func (x *execution) without(name string) (Outcome, bool) {
	ip := x.work.Plan.Image(name)
	for _, p := range ip.Parents {
		o := x.done[p]
		if o == nil {
			continue
		}
		switch o.Status {
		case Failed, Cancelled, Superseded:
			return Outcome{Image: name, Status: Skipped, Because: p}, true
		case Skipped:
			return Outcome{Image: name, Status: Skipped, Because: o.Because}, true
		}
	}
	if ip.Err != nil {
		return Outcome{Image: name, Status: Failed, Err: ip.Err}, true
	}
	if x.builtSince(name) && x.sameParents(name) {
		return Outcome{Image: name, Status: Kept}, true
	}
	if ip.Action == impact.Rebuild && !ip.WaitsOnly() {
		if x.work.UpToDate != nil && x.work.UpToDate(name) && x.sameParents(name) {
			return Outcome{Image: name, Status: Kept}, true
		}
		return Outcome{}, false
	}
	if !x.sameParents(name) {
		return Outcome{}, false
	}
	if ip.Action == impact.Keep {
		return Outcome{Image: name, Status: Kept}, true
	}
	// Next time the record must know what it was compared with now.
	rec := *x.outputs[name]
	rec.State = x.work.States.States[name]
	if err := saveState(x.Records, &rec); err != nil {
		x.report.Warnings = append(x.report.Warnings, err.Error())
	}
	return Outcome{Image: name, Status: CutOff, record: &rec}, true
}

// builtSince tells of an image that it was built from the very state that the work
// is about after the work was planned.
func (x *execution) builtSince(name string) bool {
	rec := x.outputs[name]
	return x.isNew(rec) && !rec.Failed && rec.State != nil && StateDigest(rec.State) == StateDigest(x.work.States.States[name])
}

// isNew tells of a record that the planning of the work did not know of.
func (x *execution) isNew(rec *Record) bool {
	return rec != nil && !x.work.Made.IsZero() && rec.Built.After(x.work.Made)
}

// sameParents tells whether an image was built on what its parents are now, and is
// still there.
func (x *execution) sameParents(name string) bool {
	rec := x.outputs[name]
	if x.work.Anew || rec == nil || rec.ImageID == "" || !x.isNew(rec) && x.work.Images.Known() && !x.work.Images.Has(rec.ImageID) {
		return false
	}
	for _, p := range x.work.States.States[name].Parents {
		parent := x.outputs[p.Image]
		if parent == nil || parent.OutputFor(p) != rec.Parents[p.Image] {
			return false
		}
	}
	return true
}

// OutputFor is what an image's dependent takes from it.
func (r *Record) OutputFor(p impact.Parent) impact.Digest {
	if p.FilesOnly {
		return impact.DigestOf("files", r.Chain...)
	}
	return r.Output()
}

// end takes the end of a build in. What it made counts for the work at hand only if
// that still wants the same of the image.
func (x *execution) end(o Outcome) {
	b := x.running[o.Image]
	delete(x.running, o.Image)
	if x.current(b) {
		x.settle(o)
		return
	}
	x.note(o)
	if b.awaited {
		x.sched.Return(o.Image)
	}
}

// settle notes the outcome of an image for the work at hand.
func (x *execution) settle(o Outcome) {
	x.note(o)
	x.done[o.Image] = &o
	x.sched.Done(o.Image)
	if o.Status != Failed {
		return
	}
	phase := x.work.Plan.Image(o.Image).Phase
	switch {
	case x.fatal != nil:
	case x.FailFast:
		x.stop(-1)
	case x.critical(o.Image):
		x.report.Critical = o.Image
		x.stop(phase)
	}
}

// note reports an outcome.
func (x *execution) note(o Outcome) {
	x.report.Outcomes = append(x.report.Outcomes, o)
	if o.record != nil {
		x.outputs[o.Image] = o.record
	}
	var gone *Unreachable
	if errors.As(o.Err, &gone) {
		x.fatal = gone
		x.stop(-1)
	}
	if x.Observe != nil {
		x.Observe(o.Image, nil, &o)
	}
}

func (x *execution) critical(name string) bool {
	for _, ph := range x.work.Plan.Phases {
		if ph.Critical && slices.Contains(ph.Images, name) {
			return true
		}
	}
	return false
}

// stop starts nothing more, and cancels what runs of phases later than the one
// given.
func (x *execution) stop(phase int) {
	x.stopped = true
	for name, b := range x.running {
		if ip := x.work.Plan.Image(name); ip == nil || ip.Phase > phase {
			b.cancel(errStopped)
		}
	}
}

// imageBuild prepares the build of an image whose parents are done.
func (x *execution) imageBuild(name string) *imageBuild {
	b := &imageBuild{
		of: x.Run, work: x.work, live: newLive(), name: name, state: x.work.States.States[name],
		foretold: x.work.Plan.Image(name), old: x.outputs[name], parents: map[string]impact.Digest{},
	}
	for _, p := range b.state.Parents {
		if parent := x.outputs[p.Image]; parent != nil {
			b.parents[p.Image] = parent.OutputFor(p)
			b.blind = b.blind || parent.State == nil
		}
	}
	return b
}

// sweep takes away what the run superseded, also by builds that were cut off.
func (x *execution) sweep(ctx context.Context) {
	if x.report.Count(Built) == 0 && !x.Journal.Unfinished() || x.Engine.IsBuilder() {
		return
	}
	now, err := x.Engine.Images(ctx)
	if err == nil {
		err = x.Journal.Recover(now)
	}
	if err == nil {
		x.report.Removed, err = x.Journal.Sweep(ctx, x.Engine, now)
	}
	if err != nil {
		x.report.Warnings = append(x.report.Warnings, fmt.Sprintf("superseded images are left for the next run: %v", err))
	}
}
