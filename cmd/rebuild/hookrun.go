package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"rebuild/hooks"
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
	trace    string // file to keep what a plan looked at in; "" for none
	stopped  bool   // something stops the push
}

// errNoEngine says that the environment names no engine that could be asked.
var errNoEngine = errors.New("no engine to ask")

// runPrePush checks what a push brings. No error, and no word, lets it go.
func runPrePush(ctx context.Context, v *voice, f *flags, o *pushOptions, args []string) error {
	if os.Getenv("REBUILD") == "0" {
		return nil
	}
	push, err := readPush(args)
	if err != nil || !slices.ContainsFunc(push.Updates, func(u hooks.Update) bool { return !u.Deletes() }) {
		return err
	}
	h := &prePush{pushOptions: o, voice: v, flags: *f, trace: os.Getenv(hooks.TraceVar)}
	_ = os.Unsetenv(hooks.TraceVar) // it is meant for nobody else
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
	case o.mode == "plan", !o.strict && (errors.Is(err, tree.ErrNotRepository) || errors.Is(err, errNoEngine)):
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
		return fmt.Errorf("%w: %w", errNoEngine, err)
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
