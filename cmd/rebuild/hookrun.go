package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/hooks"
	"rebuild/hooks/prepush"
	"rebuild/impact/catalog"
	"rebuild/impact/tree"
)

// pushCheck is one run of the hook.
type pushCheck struct {
	*pushOptions
	p        *terminal.Printer
	query    session.Query // of the command line
	s        *session.Session
	progress string // how builds are shown
	trace    string // file to keep what a plan read in; "" for none
}

// errNoEngine says that the environment names no engine that could be asked.
var errNoEngine = errors.New("no engine to ask")

// runPrePush checks what a push brings. No error, and no word, lets it go.
func runPrePush(ctx context.Context, p *terminal.Printer, f *flags, o *pushOptions, args []string) error {
	if os.Getenv("REBUILD") == "0" {
		return nil
	}
	push, err := readPush(args)
	if err != nil || !slices.ContainsFunc(push.Updates, func(u hooks.Update) bool { return !u.Deletes() }) {
		return err
	}
	c := &pushCheck{pushOptions: o, p: p, trace: os.Getenv(hooks.TraceVar)}
	_ = os.Unsetenv(hooks.TraceVar) // it is meant for nobody else
	if c.query, err = f.query(nil); err != nil {
		return err
	}
	c.query.Slots, c.query.All = defaultSlots(), true
	if c.progress, err = progressMode(f.progress); err != nil {
		return err
	}
	stop, err := c.run(ctx, f.place, push)
	switch {
	case err == nil && stop:
		return exitError{exitFailed}
	case err == nil || ctx.Err() != nil:
		return err
	case o.mode == string(prepush.Plan), !o.strict && (errors.Is(err, tree.ErrNotRepository) || errors.Is(err, errNoEngine)):
		p.Warn("the push is not checked: %v", err)
		return nil
	}
	return err
}

func readPush(args []string) (hooks.Push, error) {
	if len(args) == 0 {
		if push, ok := hooks.FromPreCommit(os.Getenv); ok {
			return push, nil
		}
		if terminal.IsDevice(os.Stdin) { // git gives a pipe, also when it is empty
			return hooks.Push{}, hinted{errors.New("pre-push: git gives the refs on standard input"), "git push --dry-run runs the hook and pushes nothing"}
		}
	}
	return hooks.ReadPush(args, os.Stdin)
}

func (c *pushCheck) run(ctx context.Context, place session.Place, push hooks.Push) (stop bool, err error) {
	if c.s, err = session.Open(ctx, place, session.NoEngine, secretsOf(c.p).options(c.p)); err != nil {
		return false, err
	}
	defer c.s.Close()
	if c.s.Repo == nil {
		return false, fmt.Errorf("%s: %w", c.s.Root, tree.ErrNotRepository)
	}
	return prepush.Run(ctx, push, prepush.Options{
		Mode: prepush.Mode(c.mode), Budget: c.budget, Strict: c.strict, Slots: c.query.Slots, CachedSeconds: session.CachedSeconds,
		Resolve: c.s.Resolve, KnownAt: c.s.Repo.KnownAt, Plan: c.plan, Build: c.build, Tell: c.tell,
	})
}

// of is the query about a pushed commit.
func (c *pushCheck) of(commit prepush.Commit) session.Query {
	q := c.query
	q.Since, q.Exact, q.At = commit.Base, true, commit.ID
	return q
}

// plan compares a commit with its baseline.
func (c *pushCheck) plan(ctx context.Context, commit prepush.Commit) (*prepush.Planned, error) {
	if err := c.s.Connect(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoEngine, err)
	}
	end := c.p.Buffer()
	planned, err := c.planned(ctx, commit)
	if err != nil || planned == nil {
		end(err != nil)
		return nil, err
	}
	planned.Messages = end
	return planned, nil
}

func (c *pushCheck) planned(ctx context.Context, commit prepush.Commit) (*prepush.Planned, error) {
	planned, err := c.s.PlanOffline(ctx, c.of(commit))
	if errors.Is(err, catalog.ErrNoDefinition) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c.keepTrace(ctx, planned)
	if len(planned.Plan.Rebuilds()) == 0 {
		return nil, nil
	}
	built, err := c.s.BuiltBefore(ctx, planned)
	if err != nil {
		return nil, err
	}
	c.s.EstimateIsolated(planned)
	c.p.WarnAll(planned.Plan.Warnings)
	return &prepush.Planned{Plan: planned.Plan, Target: planned.Target, Built: built}, nil
}

// keepTrace writes what a plan read, for the next push to be held against; not when
// something has a part in it that is no file.
func (c *pushCheck) keepTrace(ctx context.Context, planned *session.Planned) {
	if c.trace == "" {
		return
	}
	t, ok := c.s.Trace(ctx, planned)
	if !ok {
		return
	}
	if err := t.Write(c.trace); err != nil {
		c.p.Warn("what the check read is not kept, so the next push takes longer: %v", err)
	}
}
