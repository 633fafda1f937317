package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"rebuild/docker"
	"rebuild/docker/record"
	"rebuild/impact"
)

// execution is the state of a run. One goroutine owns it; builds only send.
type execution struct {
	*Run
	job     Job // the newest
	report  *Report
	spread  *impact.Spread
	tasks   map[string]bool           // images that the newest job comes to
	done    map[string]*Outcome       // of the newest job
	outputs map[string]*record.Record // what images are now, as far as is known
	ended   chan Outcome
	running map[string]*runningBuild
	moved   map[string]bool // images that a builder failed
	stopped bool            // nothing more is started
	fatal   error           // ends the run

	// For the audit: when the run began, and the records that it found.
	begun  time.Time
	before map[string]*record.Record
}

// runningBuild is a build that has not ended.
type runningBuild struct {
	*imageBuild
	cancel    context.CancelCauseFunc
	cancelled bool
	began     float64 // seconds since the run did
	outdated  bool    // it was cancelled for an older job: its end says nothing for the newest
	awaited   bool    // its task was taken from the schedule while it ran
}

// Why builds of a run are cancelled.
var (
	errStopped    = errors.New("stopped because of another image")
	errSuperseded = errors.New("superseded by a newer change")
)

func (x *execution) do(ctx context.Context) error {
	records, warnings := x.Records.LoadAll(x.job.States.Catalog.Names())
	x.outputs, x.before = records, maps.Clone(records)
	x.report.Warnings = append(x.report.Warnings, warnings...)
	x.begin(x.Job)
	updates := x.Updates
	for {
		x.start(ctx)
		if len(x.running) == 0 {
			break
		}
		select {
		case o := <-x.ended:
			x.end(o)
		case <-x.again():
		case j, ok := <-updates:
			if !ok {
				updates = nil
				continue
			}
			x.revise(j)
		}
	}
	x.noneLeft()
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

// begin schedules a job.
func (x *execution) begin(j Job) {
	x.job, x.done, x.stopped = j, map[string]*Outcome{}, x.fatal != nil
	x.report.Critical = ""
	x.tasks = map[string]bool{}
	var tasks []impact.Task
	for _, name := range x.involved() {
		ip := j.Plan.Image(name)
		x.tasks[name] = true
		tasks = append(tasks, impact.Task{
			Name: name, Parents: ip.Parents, Phase: ip.Phase, Cost: j.Costs[name],
			Places: j.Able[name], Travels: x.travels(name),
		})
	}
	x.spreadOut(tasks)
}

// revise puts a newer job in the place of the old.
func (x *execution) revise(j Job) {
	x.begin(j)
	for name, b := range x.running {
		b.awaited = false
		if !b.cancelled && impact.Wasted(b.state, j.States.States[name], b.steps.Running()) {
			b.cancelled = true
			b.cancel(errSuperseded)
		}
		b.outdated = b.cancelled
	}
}

// current tells whether a build makes what the newest job wants of its image, on what
// the image's parents are in that job.
func (x *execution) current(b *runningBuild) bool {
	now := x.job.States.States[b.name]
	if b.outdated || now == nil || record.StateDigest(b.state) != record.StateDigest(now) {
		return false
	}
	for _, p := range now.Parents {
		if x.tasks[p.Image] && x.done[p.Image] == nil {
			return false
		}
		if parent := x.outputs[p.Image]; parent != nil && parent.OutputFor(p) != b.parents[p.Image] {
			return false
		}
	}
	return true
}

// involved lists the images that the run looks at: those to rebuild, and those to
// keep that hang on one, in parents-first order.
func (x *execution) involved() []string {
	in := map[string]bool{}
	var names []string
	for _, name := range x.job.States.Order {
		ip := x.job.Plan.Image(name)
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

// start fills the free slots.
func (x *execution) start(ctx context.Context) {
	for !x.stopped && ctx.Err() == nil {
		name, builder, ok := x.spread.Next(x.elapsed())
		if !ok {
			return
		}
		if x.done[name] != nil { // by a build that ran when a newer job came
			x.spread.Ended(name)
			continue
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
		b := x.imageBuild(name, builder)
		x.running[name] = &runningBuild{imageBuild: b, cancel: cancel, began: x.elapsed()}
		if x.Observe != nil {
			x.Observe(name, b.steps, nil)
		}
		go func() {
			defer cancel(nil)
			x.ended <- b.run(ctx)
		}()
	}
}

// without gives the outcome of an image that needs no build, or can have none.
func (x *execution) without(name string) (Outcome, bool) {
	ip := x.job.Plan.Image(name)
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
		if x.job.UpToDate != nil && x.job.UpToDate(name) && x.sameParents(name) {
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
	rec.State = x.job.States.States[name]
	if err := x.Records.Save(&rec); err != nil {
		x.report.Warnings = append(x.report.Warnings, err.Error())
	}
	return Outcome{Image: name, Status: CutOff, record: &rec}, true
}

// builtSince tells whether an image was built, after the job was planned, from the very
// state that the job is about.
func (x *execution) builtSince(name string) bool {
	rec := x.outputs[name]
	return x.isNew(rec) && !rec.Failed && rec.IsOf(x.job.States.States[name])
}

// isNew tells whether a record was made after the job was planned.
func (x *execution) isNew(rec *record.Record) bool {
	return rec != nil && !x.job.Made.IsZero() && rec.Built.After(x.job.Made)
}

// sameParents tells whether an image was built on what its parents are now, and is
// still there.
func (x *execution) sameParents(name string) bool {
	rec := x.outputs[name]
	if x.job.Anew || rec == nil || rec.ImageID == "" || !x.isNew(rec) && x.job.Images.Known() && !x.job.Images.Has(rec.ImageID) {
		return false
	}
	for _, p := range x.job.States.States[name].Parents {
		parent := x.outputs[p.Image]
		if parent == nil || parent.OutputFor(p) != rec.Parents[p.Image] {
			return false
		}
	}
	return true
}

// end takes the end of a build in. What it made counts for the job at hand only if
// that still wants the same of the image.
func (x *execution) end(o Outcome) {
	b := x.running[o.Image]
	delete(x.running, o.Image)
	x.failedBy(&o)
	switch current := x.current(b); {
	case current && o.Status == Moved:
		x.note(o)
		x.spread.Return(o.Image)
	case current:
		x.settle(o)
	default:
		x.note(o)
		if b.awaited {
			x.spread.Return(o.Image)
		} else {
			x.spread.Ended(o.Image)
		}
	}
}

// settle notes the outcome of an image for the job at hand.
func (x *execution) settle(o Outcome) {
	x.note(o)
	x.done[o.Image] = &o
	if o.Status == Built {
		x.spread.Made(o.Image)
	} else {
		x.spread.Done(o.Image)
	}
	if o.Status != Failed {
		return
	}
	phase := x.job.Plan.Image(o.Image).Phase
	switch {
	case x.fatal != nil:
	case x.FailFast:
		x.stop(-1)
	case x.critical(o.Image):
		if x.report.Critical == "" { // others of its phase may fail after it
			x.report.Critical = o.Image
		}
		x.stop(phase)
	}
}

// note reports an outcome.
func (x *execution) note(o Outcome) {
	x.report.Outcomes = append(x.report.Outcomes, o)
	if o.record != nil {
		x.outputs[o.Image] = o.record
	}
	var gone *docker.Unreachable
	if errors.As(o.Err, &gone) && !x.goesOnWithout(o) {
		x.fatal = gone
		x.stop(-1)
	}
	if x.Observe != nil {
		x.Observe(o.Image, nil, &o)
	}
}

// critical tells whether an image is in a critical phase. The phases of the plan do not
// serve: they list only what it rebuilds, and an image that it keeps is built too when a
// parent comes out another.
func (x *execution) critical(name string) bool {
	for _, ph := range x.job.States.Catalog.Phases {
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
		if ip := x.job.Plan.Image(name); ip == nil || ip.Phase > phase {
			b.cancelled = true
			b.cancel(errStopped)
		}
	}
}

// imageBuild prepares the build of an image whose parents are done.
func (x *execution) imageBuild(name, builder string) *imageBuild {
	b := &imageBuild{
		of: x.Run, job: x.job, builder: builder, taken: x.taken(builder), steps: docker.NewStepLog(), name: name, state: x.job.States.States[name],
		predicted: x.job.Plan.Image(name), old: x.outputs[name], parents: map[string]impact.Digest{},
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
	if x.report.Count(Built) == 0 && !x.Journal.Unfinished() {
		return
	}
	err := x.Journal.Recover(ctx, x.Builder)
	var now docker.Images
	if err == nil {
		now, err = x.Builder.Images(ctx)
	}
	if err == nil {
		x.report.Removed, err = x.Journal.Sweep(ctx, x.Builder, now)
	}
	if err != nil {
		x.report.Warnings = append(x.report.Warnings, fmt.Sprintf("superseded images are left for the next run: %v", err))
	}
}
