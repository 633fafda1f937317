package main

import (
	"context"
	"errors"
	"slices"

	"rebuild/docker"
	"rebuild/impact"
	"rebuild/impact/catalog"
	"rebuild/impact/llb"
	"rebuild/impact/tree"
)

// attempt is one planning of the daemon, in a workspace of its own, with what is
// needed to carry the plan out. It is made by one goroutine, then the loop's.
type attempt struct {
	flags *flags
	args  []string
	good  *impact.Catalog // to fall back on when the definition cannot be read
	memos memos

	w     *workspace
	m     *memory
	told  *warnings
	users int // who still needs the workspace

	p      *planning    // nil when there is none
	save   func() error // keeps the stat cache; nil: there is none
	work   docker.Work
	err    error    // why there is none, or why the definition is an old one
	looked []string // the folders in which something was sought

	wait map[string]string // images that are not to be built now -> why; by the loop
}

func (d *daemon) newAttempt() *attempt {
	return &attempt{flags: d.flags, args: d.args, good: d.good, memos: d.memos, users: 1, told: &warnings{story: d.story}}
}

// make plans by the definition that is there, else by the last good one.
func (a *attempt) make(ctx context.Context) {
	if a.err = a.open(ctx); a.err != nil {
		return
	}
	a.p, a.err = a.try(ctx)
	var gone *docker.Unreachable
	if a.err != nil && a.good != nil && !errors.As(a.err, &gone) && !a.unsettled() && ctx.Err() == nil {
		a.w.pinned = a.good
		p, err := a.try(ctx)
		if a.p = p; errors.As(err, &gone) {
			a.err = err
		}
	}
	a.looked = a.w.looked()
}

func (a *attempt) open(ctx context.Context) (err error) {
	if a.m, err = connect(ctx, a.flags, true); err != nil {
		return err
	}
	if a.w, err = openWorkspace(ctx, newVoice(a.told, a.told), a.flags); err != nil {
		return err
	}
	a.w.memo, a.w.convert, a.w.index = a.memos.definitions, a.memos.convert, a.memos.index
	a.m.open(ctx, a.w)
	return nil
}

func (a *attempt) try(ctx context.Context) (*planning, error) {
	p, err := a.w.livePlanning(ctx, a.args, a.m)
	if err != nil {
		return nil, err
	}
	a.save = p.save
	if err := oneTagOneImage(p.target.Catalog, p.plan.Rebuilds()); err != nil {
		return nil, a.w.definitionFault(err, p.target.Catalog)
	}
	a.w.warnAll(p.plan.Warnings)
	a.work, err = a.w.newWork(ctx, p)
	return p, err
}

// keep writes down what was learnt of files. No build waits for it, so it comes when
// the attempt is the loop's already.
func (a *attempt) keep() {
	if a.save == nil {
		return
	}
	if err := a.save(); err != nil {
		a.w.voice.warn("%v", err)
	}
}

// unsettled tells whether the planning failed because a file was written while it was
// read: another one follows, and finds it settled.
func (a *attempt) unsettled() bool {
	var changed *tree.ChangedError
	return errors.As(a.err, &changed)
}

// release gives the attempt up for one of its users.
func (a *attempt) release() {
	if a.users--; a.users == 0 {
		a.close()
	}
}

func (a *attempt) close() {
	if a.w != nil {
		a.w.close()
	}
	if a.m != nil {
		_ = a.m.engine.Close() // nothing more is asked of it
	}
}

// stateOf names the state that an image has now, "" when there is no such image.
func (a *attempt) stateOf(name string) impact.Digest {
	if st := a.p.target.States[name]; st != nil {
		return docker.StateDigest(st)
	}
	return ""
}

// todo lists the images that the plan rebuilds and that are not to wait.
func (a *attempt) todo() []string {
	return slices.DeleteFunc(a.p.plan.Rebuilds(), func(name string) bool { return a.wait[name] != "" })
}

// estimate is how many seconds an image is expected to take, 0 when nobody knows.
func (a *attempt) estimate(name string) float64 {
	if ip := a.p.plan.Image(name); ip != nil && ip.Estimate != nil {
		return *ip.Estimate
	}
	return 0
}

// without is the plan for those images that are not to wait; with none, it is a plan
// to do nothing.
func (a *attempt) without(none bool) *impact.Plan {
	plan := *a.p.plan
	plan.Images = slices.Clone(plan.Images)
	for i, ip := range plan.Images {
		if none || a.wait[ip.Name] != "" {
			plan.Images[i].Selected = false
		}
	}
	return &plan
}

// memos keep what was read of definitions, of Dockerfiles and of git's index from one
// planning to the next.
type memos struct {
	definitions *catalog.Memo
	convert     impact.Convert
	index       *tree.IndexMemo
	uses        int
}

// memoUses bounds how long memos live, since every edit adds to them.
const memoUses = 200

func (m *memos) use() {
	if m.uses%memoUses == 0 {
		m.definitions, m.convert, m.index = &catalog.Memo{}, impact.Remember(llb.Convert), &tree.IndexMemo{}
	}
	m.uses++
}
