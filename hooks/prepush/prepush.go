// Package prepush decides on a push: what it brings, what the remote has in its place,
// which images that touches and were never built, and what their builds came to.
//
// It promises that a push which touches nothing says nothing, that what could not be
// checked is told, and that only a build that failed stops a push, unless Strict is set.
// What plans and builds is given to it as functions.
package prepush

import (
	"context"
	"errors"
	"slices"
	"time"

	"rebuild/hooks"
	"rebuild/impact"
)

// Mode is what is done about the images that a push touches.
type Mode string

// The modes.
const (
	Build  Mode = "build"  // build them
	Verify Mode = "verify" // only look whether they were built
	Plan   Mode = "plan"   // only say what would be built
)

// Options say how a push is checked, and by what.
type Options struct {
	Mode   Mode
	Budget time.Duration // no build is begun that would take the push longer; 0: no bound
	Strict bool          // what cannot be checked stops the push
	Slots  int           // images that are built at once

	// CachedSeconds is what an image takes that was built before.
	CachedSeconds float64

	// Resolve gives the commit that an object stands for, if there is one here.
	Resolve func(ctx context.Context, object string) (commit string, ok bool, err error)
	// KnownAt gives the nearest ancestor of a commit that the remote is known to have, ""
	// when there is none.
	KnownAt func(ctx context.Context, commit, remote string) (ancestor string, err error)
	// Plan compares a commit with its baseline; nil: it defines no images.
	Plan func(ctx context.Context, c Commit) (*Planned, error)
	// Build builds images of a commit, and calls begin when nothing stands in the way of
	// that. Outcomes may be there together with an error. The error is an *Unreachable
	// engine, the context's, or stops the push.
	Build func(ctx context.Context, c Commit, images []string, begin func()) ([]Outcome, error)
	// Tell is told what is found, as it is found.
	Tell func(Event)
}

// Planned is a pushed commit, compared.
type Planned struct {
	Plan   *impact.Plan
	Target *impact.Snapshot
	Built  map[string]bool // images that the plan rebuilds, but that were built from the same state before

	// Messages prints what was said while it was planned, or drops it.
	Messages func(print bool)
}

// Outcome is what the build of one image came to.
type Outcome struct {
	Image   string
	End     End
	Because string // the image whose failure skipped it
}

// End is how the build of an image ended.
type End int

// The ends.
const (
	Passed     End = iota
	Failed         // it cannot be built
	Skipped        // an image that it is built on cannot be
	Unfinished     // it was given up, or not begun
)

// Unreachable is the error of an engine that does not answer, or cannot build.
type Unreachable struct{ Err error }

// Error implements error.
func (u *Unreachable) Error() string { return u.Err.Error() }

// Unwrap gives the cause.
func (u *Unreachable) Unwrap() error { return u.Err }

// Run checks what a push brings. stop tells that it must not go on.
func Run(ctx context.Context, push hooks.Push, o Options) (stop bool, err error) {
	commits, err := o.commits(ctx, push)
	if err != nil {
		return false, err
	}
	for _, c := range commits {
		stops, err := o.check(ctx, c)
		if err != nil {
			return stop, err
		}
		stop = stop || stops
	}
	return stop, nil
}

// check holds one pushed commit against what the remote has.
func (o Options) check(ctx context.Context, c Commit) (stop bool, err error) {
	p, err := o.Plan(ctx, c)
	if err != nil || p == nil {
		return false, err
	}
	u, err := newUnbuilt(p)
	if err != nil || len(u.names) == 0 {
		p.Messages(err != nil)
		return false, err
	}
	p.Messages(true)
	switch o.Mode {
	case Plan:
		o.Tell(OnlyPlanned{c, p})
		return false, nil
	case Verify:
		return o.verify(c, u), nil
	}
	begin, left := o.fit(u)
	if len(left) > 0 {
		stop = o.notChecked(NotChecked{Commit: c, Images: left, Why: OverBudget, Seconds: o.cost(u, left)})
	}
	if len(begin) == 0 {
		return stop, nil
	}
	stops, err := o.build(ctx, c, u, begin)
	return stop || stops, err
}

// verify builds nothing: what was not built before stops the push.
func (o Options) verify(c Commit, u *unbuilt) (stop bool) {
	var e NeverBuilt
	e.Commit = c
	for _, name := range u.names {
		if u.policy[name] == policyWarn {
			e.Warn = append(e.Warn, name)
		} else {
			e.Stop = append(e.Stop, name)
		}
	}
	o.Tell(e)
	return len(e.Stop) > 0
}

// build checks images by building them, and says what became of them.
func (o Options) build(ctx context.Context, c Commit, u *unbuilt, names []string) (stop bool, err error) {
	begun := time.Now()
	bounded, cancel := ctx, context.CancelFunc(func() {})
	if u.Plan.Estimate == nil && o.Budget > 0 { // nobody knows how long: then the clock decides
		bounded, cancel = context.WithTimeout(ctx, o.Budget)
	}
	defer cancel()
	outcomes, err := o.Build(bounded, c, names, func() { o.Tell(o.beginning(c, u, names)) })
	late := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	var gone *Unreachable
	switch {
	case errors.As(err, &gone) && !o.Strict:
		return o.notChecked(NotChecked{Commit: c, Images: names, Why: NoEngine, Err: gone}), nil
	case late && len(outcomes) == 0:
		return o.notChecked(NotChecked{Commit: c, Images: names, Why: NotBegun}), nil
	case err != nil && !late:
		return false, err
	}
	e := judge(outcomes, names, u.policy)
	e.Commit, e.Took = c, time.Since(begun)
	o.Tell(e)
	if len(e.Failed) > 0 {
		return true, nil
	}
	if len(e.Unfinished) > 0 {
		stop = o.notChecked(NotChecked{Commit: c, Images: e.Unfinished, Why: NotDone})
	}
	return stop, nil
}

// judge parts the images by what their builds came to. One whose phase only warns does not
// fail.
func judge(outcomes []Outcome, names []string, policy map[string]string) (e Checked) {
	for _, out := range outcomes {
		switch {
		case !slices.Contains(names, out.Image):
		case out.End == Unfinished, out.End == Skipped && out.Because == "":
			e.Unfinished = append(e.Unfinished, out.Image)
		case out.End == Passed:
			e.Passed++
		case policy[out.Image] == policyWarn:
			e.Warned = append(e.Warned, out.Image)
		default:
			e.Failed = append(e.Failed, out.Image)
		}
	}
	return e
}

// notChecked tells what the push goes on without, or is stopped for.
func (o Options) notChecked(e NotChecked) (stop bool) {
	e.Stops, e.Budget = o.Strict, o.Budget
	o.Tell(e)
	return o.Strict
}
