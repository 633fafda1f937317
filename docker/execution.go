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
	report  *Report
	sched   *impact.Schedule
	outputs map[string]*Record // what images are now, as far as is known
	ended   chan Outcome
	running map[string]context.CancelCauseFunc
	stopped bool  // nothing more is started
	fatal   error // ends the run

	// For the audit: when the run began, and the records that it found.
	begun  time.Time
	before map[string]*Record
}

// errStopped cancels builds of a run that a failure stopped.
var errStopped = errors.New("stopped because of another image")

func (x *execution) do(ctx context.Context) error {
	names := x.involved()
	records, warnings := x.Records.LoadAll(x.States.Catalog.Names())
	x.outputs, x.before = records, maps.Clone(records)
	x.report.Warnings = append(x.report.Warnings, warnings...)
	x.sched = impact.NewSchedule(x.tasks(names))
	for {
		x.start(ctx)
		if len(x.running) == 0 {
			break
		}
		o := <-x.ended
		delete(x.running, o.Image)
		x.end(o)
	}
	for _, name := range names {
		if x.report.Outcome(name) == nil {
			x.report.Outcomes = append(x.report.Outcomes, Outcome{Image: name, Status: Skipped, Because: x.report.Critical})
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

// involved lists the images that the run looks at: those to rebuild, and those to
// keep that hang on one, in parents-first order.
func (x *execution) involved() []string {
	in := map[string]bool{}
	var names []string
	for _, name := range x.States.Order {
		ip := x.Plan.Image(name)
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
		ip := x.Plan.Image(name)
		tasks[i] = impact.Task{Name: name, Parents: ip.Parents, Phase: ip.Phase, Cost: x.Costs[name]}
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
		if o, ok := x.without(name); ok {
			x.end(o)
			continue
		}
		ctx, cancel := context.WithCancelCause(ctx)
		x.running[name] = cancel
		b := x.imageBuild(name)
		go func() {
			defer cancel(nil)
			x.ended <- b.run(ctx)
		}()
	}
}

// without gives the outcome of an image that needs no build, or can have none.
func (x *execution) without(name string) (Outcome, bool) {
	ip := x.Plan.Image(name)
	for _, p := range ip.Parents {
		o := x.report.Outcome(p)
		if o == nil {
			continue
		}
		switch o.Status {
		case Failed, Cancelled:
			return Outcome{Image: name, Status: Skipped, Because: p}, true
		case Skipped:
			return Outcome{Image: name, Status: Skipped, Because: o.Because}, true
		}
	}
	if ip.Err != nil {
		return Outcome{Image: name, Status: Failed, Err: ip.Err}, true
	}
	if ip.Action == impact.Rebuild && !ip.WaitsOnly() {
		if x.UpToDate != nil && x.UpToDate(name) && x.sameParents(name) {
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
	rec.State = x.States.States[name]
	if err := saveState(x.Records, &rec); err != nil {
		x.report.Warnings = append(x.report.Warnings, err.Error())
	}
	return Outcome{Image: name, Status: CutOff, record: &rec}, true
}

// sameParents tells whether an image was built on what its parents are now.
func (x *execution) sameParents(name string) bool {
	rec := x.outputs[name]
	if x.Anew || rec == nil || rec.ImageID == "" || x.Images.Known() && !x.Images.Has(rec.ImageID) {
		return false
	}
	for _, p := range x.States.States[name].Parents {
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

// end takes an outcome in.
func (x *execution) end(o Outcome) {
	x.report.Outcomes = append(x.report.Outcomes, o)
	if o.record != nil {
		x.outputs[o.Image] = o.record
	}
	x.sched.Done(o.Image)
	if o.Status != Failed {
		return
	}
	var gone *Unreachable
	phase := x.Plan.Image(o.Image).Phase
	switch {
	case errors.As(o.Err, &gone):
		x.fatal = gone
		x.stop(-1)
	case x.FailFast:
		x.stop(-1)
	case x.critical(o.Image):
		x.report.Critical = o.Image
		x.stop(phase)
	}
}

func (x *execution) critical(name string) bool {
	for _, ph := range x.Plan.Phases {
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
	for name, cancel := range x.running {
		if x.Plan.Image(name).Phase > phase {
			cancel(errStopped)
		}
	}
}

// imageBuild prepares the build of an image whose parents are done.
func (x *execution) imageBuild(name string) *imageBuild {
	b := &imageBuild{of: x.Run, name: name, state: x.States.States[name], foretold: x.Plan.Image(name), old: x.outputs[name], parents: map[string]impact.Digest{}}
	for _, p := range b.state.Parents {
		if parent := x.outputs[p.Image]; parent != nil {
			b.parents[p.Image] = parent.OutputFor(p)
		}
	}
	return b
}

// sweep takes away what the run superseded.
func (x *execution) sweep(ctx context.Context) {
	if x.report.Count(Built) == 0 || x.Engine.IsBuilder() {
		return
	}
	now, err := x.Engine.Images(ctx)
	if err == nil {
		x.report.Removed, err = x.Journal.Sweep(ctx, x.Engine, now)
	}
	if err != nil {
		x.report.Warnings = append(x.report.Warnings, fmt.Sprintf("superseded images are left for the next run: %v", err))
	}
}
