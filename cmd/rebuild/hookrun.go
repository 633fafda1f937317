package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"rebuild/docker"
	"rebuild/hooks"
	"rebuild/impact"
	"rebuild/impact/catalog"
	"rebuild/impact/tree"
)

// prePush is one run of the hook.
type prePush struct {
	*pushOptions
	voice    *voice
	flags    flags // of the command line
	w        *workspace
	m        *memory
	progress string
	stopped  bool // something stops the push
}

// runPrePush checks what a push brings. No error, and no word, lets it go.
func runPrePush(ctx context.Context, v *voice, f *flags, o *pushOptions, args []string) error {
	if os.Getenv("REBUILD") == "0" {
		return nil
	}
	push, err := readPush(args)
	if err != nil || !slices.ContainsFunc(push.Updates, func(u hooks.Update) bool { return !u.Deletes() }) {
		return err
	}
	h := &prePush{pushOptions: o, voice: v, flags: *f}
	h.flags.parallel, h.flags.all = defaultSlots(), true
	if h.progress, err = progressMode(f); err != nil {
		return err
	}
	err = h.run(ctx, push)
	switch {
	case err == nil && h.stopped:
		return failure{exitFailed}
	case err == nil || ctx.Err() != nil:
		return err
	case o.mode == "plan" || errors.Is(err, tree.ErrNotRepository) && !o.strict:
		v.warn("the push is not checked: %v", err)
		return nil
	}
	return err
}

func readPush(args []string) (hooks.Push, error) {
	if len(args) == 0 {
		if push, ok := hooks.FromPreCommit(os.Getenv); ok {
			return push, nil
		}
		if isTerminal(os.Stdin) {
			return hooks.Push{}, hinted{errors.New("pre-push: git gives the refs on standard input"), "git push --dry-run runs the hook and pushes nothing"}
		}
	}
	return hooks.ReadPush(args, os.Stdin)
}

func (h *prePush) run(ctx context.Context, push hooks.Push) error {
	var err error
	if h.w, err = openWorkspace(ctx, h.voice, &h.flags); err != nil {
		return err
	}
	defer h.w.close()
	if h.w.repo == nil {
		return fmt.Errorf("%s: %w with a working tree", h.w.root, tree.ErrNotRepository)
	}
	list, err := pushedBy(ctx, h.w.repo, push)
	if err != nil || len(list) == 0 {
		return err
	}
	if h.m, err = connect(ctx, &h.flags, false); err != nil {
		return err
	}
	defer h.m.engine.Close()
	h.m.open(ctx, h.w)
	for _, c := range list {
		if err := h.check(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// check holds one pushed commit against what the remote has.
func (h *prePush) check(ctx context.Context, c pushed) error {
	f := h.flags
	f.since, f.exact, f.at = c.base, true, c.commit
	h.w.flags = &f
	end := h.voice.hold()
	u, err := h.unbuilt(ctx)
	end(err != nil || u != nil)
	if err != nil || u == nil {
		return err
	}
	switch h.mode {
	case "plan":
		printPlan(h.voice, u.plan)
		return nil
	case "verify":
		h.verify(c, u)
		return nil
	}
	begin, left := u.fit(u.names, u.built, h.budget, f.parallel)
	if len(left) > 0 {
		why := fmt.Sprintf("about %s, over the budget of %s", seconds(u.cost(left, u.built, f.parallel)), h.budget)
		h.notChecked(c, left, why)
	}
	if len(begin) == 0 {
		return nil
	}
	return h.build(ctx, c, u, begin)
}

// unbuilt is what a pushed commit touches and was never built.
type unbuilt struct {
	*planning
	names  []string        // the images to check, parents first
	built  map[string]bool // those that the plan rebuilds, but that were built before
	policy map[string]string
}

// unbuilt plans the commit, and leaves out what was built from the same state
// before, with or without its tags, and what no push is held to. It is nil when
// nothing remains.
func (h *prePush) unbuilt(ctx context.Context) (*unbuilt, error) {
	p, err := h.w.newPlanning(ctx, nil, h.m, false)
	if errors.Is(err, catalog.ErrNoDefinition) {
		return nil, nil
	}
	if err != nil || len(p.plan.Rebuilds()) == 0 {
		return nil, err
	}
	states, err := h.w.byteStates(ctx, p)
	if err != nil {
		return nil, err
	}
	checked, err := h.m.records.Checked()
	if err != nil {
		h.voice.warn("%v", err)
	}
	u := &unbuilt{planning: p, built: map[string]bool{}}
	if u.policy, err = policies(p.target); err != nil {
		return nil, err
	}
	for _, name := range p.target.Order {
		if p.plan.Image(name).Action != impact.Rebuild {
			continue
		}
		st := states.States[name]
		rec := p.records[name]
		u.built[name] = st.Err == nil && (checked[docker.StateDigest(st)] || rec != nil && builtFrom(rec, st))
		if !u.built[name] && u.policy[name] != "skip" {
			u.names = append(u.names, name)
		}
	}
	if len(u.names) == 0 {
		return nil, nil
	}
	aside, warnings := h.w.asideRecords(h.m.id).LoadAll(p.target.Catalog.Names())
	h.w.warnAll(warnings)
	p.estimate(withAside(p.records, aside), h.flags.parallel)
	h.w.warnAll(p.plan.Warnings)
	return u, nil
}

// policies is what a push is held to for each image: "build", "warn" or "skip".
func policies(target *impact.Snapshot) (map[string]string, error) {
	phases, _, err := impact.Phases(target)
	if err != nil {
		return nil, err
	}
	policy := map[string]string{}
	for _, ph := range phases {
		for _, name := range ph.Images {
			policy[name] = ph.OnPush
		}
	}
	return policy, nil
}

// verify builds nothing: what was not built before stops the push.
func (h *prePush) verify(c pushed, u *unbuilt) {
	must := slices.DeleteFunc(slices.Clone(u.names), func(n string) bool { return u.policy[n] == "warn" })
	if len(must) < len(u.names) {
		may := slices.DeleteFunc(slices.Clone(u.names), func(n string) bool { return u.policy[n] != "warn" })
		h.voice.warn("%s: not built at %.12s: %s", c.ref, c.commit, listed(may))
	}
	if len(must) > 0 {
		h.voice.tell("rebuild: error: %s: not built at %.12s, so the push is stopped: %s", c.ref, c.commit, listed(must))
		h.voice.hint(c.command())
		h.stopped = true
	}
}

// tellCosts says what is about to be done, and what a change of an image that
// others are built on costs.
func (h *prePush) tellCosts(c pushed, u *unbuilt, names []string) {
	line := fmt.Sprintf("rebuild: %s %s..%.12s: %s to check", c.ref, c.from(), c.commit, count(len(names), "image", "images"))
	if u.plan.Estimate != nil {
		line += ", about " + seconds(u.cost(names, u.built, h.flags.parallel))
	}
	h.voice.tell("%s", line)
	for _, name := range names {
		if u.plan.Image(name).WaitsOnly() {
			continue
		}
		all := []string{name}
		for _, dependent := range u.target.DependentsOf(name) {
			if slices.Contains(names, dependent) {
				all = append(all, dependent)
			}
		}
		if len(all) == 1 {
			continue
		}
		line := fmt.Sprintf("rebuild: %s changes: %d images rebuild", name, len(all))
		if u.plan.Estimate != nil {
			line += ", about " + seconds(u.cost(all, u.built, h.flags.parallel))
		}
		if len(u.target.ParentsOf(name)) == 0 {
			line += "; base images should change rarely"
		}
		h.voice.tell("%s", line)
	}
}

// notChecked says what the push goes on without, or stops it.
func (h *prePush) notChecked(c pushed, names []string, why string) {
	text := fmt.Sprintf("%s: not checked: %s (%s); to build: %s", c.ref, listed(names), why, c.command())
	if !h.strict {
		h.voice.warn("%s", text)
		return
	}
	h.voice.tell("rebuild: error: %s", text)
	h.stopped = true
}

// build checks images by building them, and says what became of them.
func (h *prePush) build(ctx context.Context, c pushed, u *unbuilt, names []string) error {
	begun := time.Now()
	bounded, cancel := ctx, context.CancelFunc(func() {})
	if u.plan.Estimate == nil && h.budget > 0 { // nobody knows how long: then the clock decides
		bounded, cancel = context.WithTimeout(ctx, h.budget)
	}
	defer cancel()
	p, report, err := h.carryOut(bounded, c, u, names)
	late := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	var gone *docker.Unreachable
	switch {
	case errors.As(err, &gone) && !h.strict:
		h.notChecked(c, names, gone.Error())
		return nil
	case late && report == nil:
		h.notChecked(c, names, fmt.Sprintf("not begun within the budget of %s", h.budget))
		return nil
	case err != nil && !late:
		return err
	}
	passed, unfinished := h.judge(c, p, report, names, u.policy)
	if len(unfinished) > 0 {
		h.notChecked(c, unfinished, fmt.Sprintf("not done within the budget of %s", h.budget))
	}
	if passed > 0 && h.progress != "quiet" {
		h.voice.tell("rebuild: %s: checked %s of %.12s in %s", c.ref, count(passed, "image", "images"), c.commit, seconds(time.Since(begun).Seconds()))
	}
	return nil
}

// judge tells what of the images passed, and stops the push for one that failed
// unless its phase only warns.
func (h *prePush) judge(c pushed, p *planning, report *docker.Report, names []string, policy map[string]string) (passed int, unfinished []string) {
	var failed, warned []string
	for _, o := range report.Outcomes {
		if o.Status == docker.Failed {
			printFailure(h.voice, p, report, o)
		}
		switch {
		case !slices.Contains(names, o.Image):
		case o.Status == docker.Cancelled, o.Status == docker.Skipped && o.Because == "":
			unfinished = append(unfinished, o.Image)
		case o.Status != docker.Failed && o.Status != docker.Skipped:
			passed++
		case policy[o.Image] == "warn":
			warned = append(warned, o.Image)
		default:
			failed = append(failed, o.Image)
		}
	}
	h.w.warnAll(report.Warnings)
	if len(warned) > 0 {
		h.voice.warn("%s: cannot be built at %.12s: %s", c.ref, c.commit, listed(warned))
	}
	if len(failed) > 0 {
		h.voice.tell("rebuild: error: %s: cannot be built at %.12s, so the push is stopped: %s", c.ref, c.commit, listed(failed))
		h.voice.hint("git push --no-verify pushes it all the same")
		h.stopped = true
		return passed, nil
	}
	return passed, unfinished
}

// command brings up to date by hand what the hook did not check.
func (c pushed) command() string {
	if hooks.IsZero(c.base) {
		return fmt.Sprintf("rebuild --all --at %.12s", c.commit)
	}
	return fmt.Sprintf("rebuild --all --since %.12s --at %.12s", c.base, c.commit)
}

// from is the baseline as a range is written.
func (c pushed) from() string {
	if hooks.IsZero(c.base) {
		return "(nothing)"
	}
	return fmt.Sprintf("%.12s", c.base)
}

// listed names images, the first ones of many.
func listed(names []string) string {
	if len(names) > maxListed {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
	}
	return strings.Join(names, ", ")
}
