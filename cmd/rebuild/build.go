package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"rebuild/docker"
	"rebuild/impact"
)

// runBuild brings images up to date: it takes the lock, plans, builds, and says
// what became of each image.
func runBuild(ctx context.Context, v *voice, f *flags, args []string) error {
	begun := time.Now()
	mode, err := progressMode(f)
	if err != nil {
		return err
	}
	m, err := connect(ctx, f, true)
	if err != nil {
		return err
	}
	defer m.engine.Close()
	w, err := openWorkspace(ctx, v, f)
	if err != nil {
		return err
	}
	defer w.close()
	m.open(ctx, w)
	release, err := w.lock(ctx, func() { m.again(ctx) })
	if err != nil {
		return err
	}
	defer func() {
		if err := release(); err != nil {
			v.warn("%v", err)
		}
	}()
	p, err := w.livePlanning(ctx, args, m)
	if err != nil {
		return err
	}
	if err := p.save(); err != nil {
		v.warn("%v", err)
	}
	w.warnAll(p.plan.Warnings)
	if err := oneTagOneImage(p.target.Catalog, p.plan.Rebuilds()); err != nil {
		return w.definitionFault(err, p.target.Catalog)
	}
	if len(p.plan.Phases) == 0 {
		if err := p.clearAway(ctx, v); err != nil {
			return err
		}
		if mode != "quiet" {
			printTotals(v, p.plan)
		}
		return nil
	}
	if mode != "quiet" {
		announce(v, p.plan)
	}
	report, err := w.execute(ctx, p, mode)
	if report != nil {
		printReport(v, p, report, time.Since(begun), mode == "quiet")
	}
	faults := f.strict && report != nil && printFaults(v, report.Audit)
	switch {
	case err != nil:
		return err
	case faults || report.Count(docker.Failed) > 0 || report.Count(docker.Skipped) > 0:
		return failure{exitFailed}
	}
	return nil
}

// livePlanning makes a plan by what the engine holds.
func (w *workspace) livePlanning(ctx context.Context, args []string, m *memory) (*planning, error) {
	p, err := w.newPlanning(ctx, args, m, true)
	if err != nil {
		return nil, err
	}
	same, err := m.confirm(ctx)
	if err == nil && !same {
		p, err = w.newPlanning(ctx, args, m, true)
	}
	return p, err
}

// clearAway removes what a killed run left, when this one has nothing to build.
func (p *planning) clearAway(ctx context.Context, v *voice) error {
	journal, warning := p.memory.records.OpenJournal()
	if warning != "" {
		v.warn("%s", warning)
	}
	if !journal.Unfinished() {
		return nil
	}
	held, err := p.memory.held()
	if err != nil {
		return err
	}
	if err := journal.Recover(held); err != nil {
		return err
	}
	_, err = journal.Sweep(ctx, p.memory.engine, held)
	return err
}

// progressMode is how builds are shown: the flag, else what docker's own builds
// take it from.
func progressMode(f *flags) (string, error) {
	mode, from := f.progress, "progress"
	if mode == "" {
		if mode = os.Getenv("BUILDKIT_PROGRESS"); mode == "" {
			return "auto", nil
		}
		if mode == "rawjson" {
			mode = "json"
		}
	}
	return mode, oneOf(from, mode, "auto", "tty", "plain", "json", "quiet")
}

// lock makes this the only run of the repository. waited is called when another
// had to end first.
func (w *workspace) lock(ctx context.Context, waited func()) (release func() error, err error) {
	had := false
	release, err = docker.Acquire(ctx, filepath.Join(w.state, "lock"), !w.flags.noWait, func(h docker.Holder) {
		w.voice.tell("rebuild: waiting for %s", h)
		had = true
	})
	if had {
		waited()
	}
	var locked *docker.Locked
	if errors.As(err, &locked) {
		return nil, hinted{err, "without --no-wait, rebuild waits for it"}
	}
	return release, err
}

// oneTagOneImage refuses a run that would build two different images under one
// tag.
func oneTagOneImage(cat impact.Catalog, names []string) error {
	owner := map[string]string{}
	for _, name := range names {
		im, _ := cat.Image(name)
		for _, ref := range im.Refs {
			if other, ok := owner[ref]; ok {
				return &impact.Fault{
					Cause: fmt.Sprintf("%s and %s would both be built as %s", other, name, ref),
					Hint:  fmt.Sprintf("give one of them another tag, or name one: rebuild %s", other),
				}
			}
			owner[ref] = name
		}
	}
	return nil
}

// announce says in one line what the run is about to do.
func announce(v *voice, p *impact.Plan) {
	n := len(p.Rebuilds())
	line := fmt.Sprintf("rebuild: %s to rebuild", count(n, "image", "images"))
	if p.Estimate != nil {
		line += ", about " + seconds(*p.Estimate)
	} else {
		line += "; there is no history yet to estimate from"
	}
	v.tell("%s", line)
}

// execute carries the plan out.
func (w *workspace) execute(ctx context.Context, p *planning, mode string) (*docker.Report, error) {
	run, err := w.newRun(ctx, p)
	if err != nil {
		return nil, err
	}
	if run.Work, err = w.newWork(ctx, p); err != nil {
		return nil, err
	}
	if run.Progress, err = docker.NewProgress(w.voice.err, mode); err != nil {
		return nil, err
	}
	report, err := run.Do(ctx)
	if closeErr := run.Progress.Close(); err == nil && closeErr != nil && ctx.Err() == nil {
		w.voice.warn("progress: %v", closeErr)
	}
	return report, err
}

// newRun readies the engine's records for a run, under the lock, and clears up after
// one that was killed.
func (w *workspace) newRun(ctx context.Context, p *planning) (*docker.Run, error) {
	if err := docker.UseEngine(p.memory.dir, p.memory.id); err != nil {
		return nil, err
	}
	records := p.memory.records
	if err := records.Tidy(); err != nil {
		w.voice.warn("%v", err)
	}
	held, err := p.memory.held()
	if err != nil {
		return nil, err
	}
	journal, warning := records.OpenJournal()
	if warning != "" {
		w.voice.warn("%s", warning)
	}
	if err := journal.Recover(held); err != nil {
		return nil, err
	}
	return &docker.Run{
		Engine: p.memory.engine, Records: records, Journal: journal,
		Slots: w.flags.parallel, FailFast: w.flags.failFast, Push: w.flags.push,
		AuditLog: records.AuditLog(),
	}, nil
}

// newWork is the plan with what its builds need.
func (w *workspace) newWork(ctx context.Context, p *planning) (docker.Work, error) {
	held, err := p.memory.held()
	if err != nil {
		return docker.Work{}, err
	}
	states, err := w.byteStates(ctx, p)
	if err != nil {
		return docker.Work{}, err
	}
	prep, err := w.newPreparation(ctx, p, states)
	if err != nil {
		return docker.Work{}, err
	}
	work := docker.Work{Plan: p.plan, Images: held, Made: p.made, States: states, Request: prep.request, Costs: p.costs()}
	if w.flags.at == "" {
		work.Settled = prep.settled
	}
	if w.flags.since != "" && !w.flags.noCache && !w.flags.pull && !w.flags.push {
		work.UpToDate = func(name string) bool {
			rec := p.records[name]
			if rec == nil || !builtFrom(rec, states.States[name]) {
				return false
			}
			_, lacks := amiss(p.target.Catalog, name, rec, held)
			return !lacks
		}
	}
	return work, nil
}
