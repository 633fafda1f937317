package daemon

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"rebuild/docker"
	"rebuild/docker/record"
	"rebuild/impact"
)

// attempt is one planning. One goroutine makes it, then it is the loop's.
type attempt struct {
	*Planned
	users atomic.Int32     // who still needs what the planning holds
	waits map[string]Waits // images that are not to be built now
}

func (a *attempt) retain() { a.users.Add(1) }

// release gives the attempt up for one of its users.
func (a *attempt) release() {
	if a.users.Add(-1) == 0 && a.Close != nil {
		a.Close()
	}
}

// plan begins to plan when there is a reason to.
func (l *loop) plan(ctx context.Context) {
	if !l.dirty || l.planning {
		return
	}
	l.dirty, l.planning = false, true
	good := l.good
	l.others.Go(func() {
		a := &attempt{Planned: l.Plan(ctx, good)}
		a.retain()
		a.retain()
		defer a.release()
		l.planned <- a // taken by run or shutDown; one use is theirs
		if a.Save != nil {
			if err := a.Save(); err != nil {
				l.Events(Warning{err.Error()})
			}
		}
	})
}

// adopt takes a planning in.
func (l *loop) adopt(ctx context.Context, a *attempt) {
	outdated := l.outdated
	l.planning, l.outdated = false, false
	l.watch(a)
	l.dirty = l.dirty || a.Unsettled
	// An outdated one does not know what the run built, or what a pause was for; another
	// planning follows.
	if ctx.Err() != nil || a.Unsettled || outdated {
		a.release()
		return
	}
	l.news.warnings(byPlan, a.Warnings)
	if l.engineAway(a.Err, a.Plan != nil) {
		a.release()
		return
	}
	l.definition(a)
	if a.Plan == nil {
		if len(a.FoldersRead) == 0 {
			l.tryAgain() // nothing is watched whose change could end this
		}
		a.release()
		return
	}
	if l.newest != nil {
		l.newest.release()
	}
	l.newest, l.good = a, &a.Target.Catalog
	l.tellUnallowed(*l.good)
	l.findWaiting()
	if l.active == nil {
		l.kept(a.Plan)
	}
	l.ready = true
	l.carryOut(ctx)
}

// watch has the folders watched that the planning read: also those that are watched
// already, since one of them may be another folder by now. A planning that failed may
// not have come to all of them.
func (l *loop) watch(a *attempt) {
	dirs := a.FoldersRead
	if a.Plan == nil {
		dirs = slices.Concat(l.read, dirs)
		slices.Sort(dirs)
		dirs = slices.Compact(dirs)
	}
	l.read = dirs
	l.unsent = append([]string{l.Marks}, dirs...)
}

// engineAway notes whether the engine can be reached, and comes back to it when not.
// A planning that failed before it asked knows nothing of the engine: its own error is
// what is told.
func (l *loop) engineAway(err error, planned bool) bool {
	var gone *docker.Unreachable
	if !errors.As(err, &gone) {
		if l.away != nil {
			l.away, l.backoff = nil, 0
			if planned {
				l.Events(EngineBack{})
			}
		}
		return false
	}
	if l.away == nil {
		l.Events(EngineAway{gone})
	}
	l.away = gone
	l.tryAgain()
	return true
}

// definition notes whether the definition can be read.
func (l *loop) definition(a *attempt) {
	switch {
	case a.Err != nil && (l.broken == nil || a.Err.Error() != l.broken.Error()):
		l.Events(DefinitionBroken{a.Err, a.Plan != nil})
	case a.Err == nil && l.broken != nil:
		l.Events(DefinitionRead{})
	}
	l.broken = a.Err
}

// stateOf names the state that an image has now, "" when there is no such image.
func (a *attempt) stateOf(name string) impact.Digest {
	if st := a.Target.States[name]; st != nil {
		return record.StateDigest(st)
	}
	return ""
}

// waitsFor tells whether an image is not to be built now.
func (a *attempt) waitsFor(name string) bool {
	_, waits := a.waits[name]
	return waits
}

// todo lists the images that the plan rebuilds and that are not to wait.
func (a *attempt) todo() []string { return slices.DeleteFunc(a.Plan.Rebuilds(), a.waitsFor) }

// without is the plan for those images that are not to wait; with none, it is a plan
// to do nothing.
func (a *attempt) without(none bool) *impact.Plan {
	plan := *a.Plan
	plan.Images = slices.Clone(plan.Images)
	for i, ip := range plan.Images {
		if none || a.waitsFor(ip.Name) {
			plan.Images[i].Selected = false
		}
	}
	return &plan
}
