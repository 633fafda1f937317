package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/docker/run"
	"rebuild/impact"
)

// runBuild brings images up to date: it takes the lock, plans, builds, and says
// what became of each image.
func runBuild(ctx context.Context, p *terminal.Printer, f *flags, images []string) error {
	begun := time.Now()
	mode, err := progressMode(f.progress)
	if err != nil {
		return err
	}
	s, q, err := f.open(ctx, p, session.Asked, images)
	if err != nil {
		return err
	}
	defer s.Close()
	release, err := lockRun(ctx, p, s, !f.noWait)
	if err != nil {
		return err
	}
	defer releaseRun(p, release)
	planned, err := s.PlanOnline(ctx, q)
	if err != nil {
		return err
	}
	if err := planned.Save(); err != nil {
		p.Warn("%v", err)
	}
	p.WarnAll(planned.Plan.Warnings)
	if err := planned.SharedTags(); err != nil {
		return err
	}
	if len(planned.Plan.Phases) == 0 {
		if err := s.ClearUp(ctx); err != nil {
			return err
		}
		if mode != quiet {
			printTotals(p, planned.Plan)
		}
		return nil
	}
	if err := s.CanBuild(ctx); err != nil { // before anybody is asked, or told of a run
		return err
	}
	if err := consent(ctx, p, s, planned); err != nil {
		return err
	}
	if mode != quiet {
		announce(p, planned.Plan)
	}
	view := newRunView(p, mode, planned)
	report, err := view.show(ctx, func(shown session.Shown) (*run.Report, error) { return s.Run(ctx, planned, shown) })
	return conclude(ctx, p, planned.Plan, runEnd{report, err, time.Since(begun)}, mode == quiet, f.strict)
}

// runEnd is what a run came to.
type runEnd struct {
	report *run.Report // nil: it did not begin
	err    error
	took   time.Duration
}

// conclude says what a run came to.
func conclude(ctx context.Context, p *terminal.Printer, plan *impact.Plan, end runEnd, quietly, strict bool) error {
	r := end.report
	if r == nil {
		return end.err
	}
	warnOf(p, r)
	if ctx.Err() != nil {
		return interrupted{end.err, interruptedText(plan, r, p.MessageWidth())}
	}
	if !quietly {
		printSummary(p, plan, r, end.took)
	}
	faults := strict && printFaults(p, r.Audit)
	switch {
	case end.err != nil:
		return end.err
	case faults || r.Count(run.Failed) > 0 || r.Count(run.Skipped) > 0:
		return exitError{exitFailed}
	}
	return nil
}

// The ways of showing builds that are not BuildKit's own.
const (
	auto  = "auto"  // what goes on; to a terminal below all else, elsewhere a line a fact
	quiet = "quiet" // nothing but failures
)

// progressMode is how builds are shown: the flag, else what docker's own builds
// take it from.
func progressMode(flag string) (string, error) {
	mode := flag
	if mode == "" {
		if mode = os.Getenv("BUILDKIT_PROGRESS"); mode == "" {
			return auto, nil
		}
		if mode == "rawjson" {
			mode = "json"
		}
	}
	return mode, oneOf("progress", mode, auto, "tty", "plain", "json", quiet)
}

// lockRun makes this the only run of the repository. When another had to end first, what
// the engine held is asked anew.
func lockRun(ctx context.Context, p *terminal.Printer, s *session.Session, wait bool) (release func() error, err error) {
	waited := false
	release, err = session.Lock(ctx, s.RunLock(), wait, func(h session.Holder) {
		p.Message("rebuild: waiting for %s", h)
		waited = true
	})
	if waited {
		s.Refresh()
	}
	var locked *session.Locked
	if errors.As(err, &locked) {
		return nil, hinted{err, "without --no-wait, rebuild waits for it"}
	}
	return release, err
}

func releaseRun(p *terminal.Printer, release func() error) {
	if err := release(); err != nil {
		p.Warn("%v", err)
	}
}

// announce says in one line what the run is about to do.
func announce(p *terminal.Printer, plan *impact.Plan) {
	n := len(plan.Rebuilds())
	line := fmt.Sprintf("rebuild: %s to rebuild", count(n, "image", "images"))
	if plan.Estimate != nil {
		line += ", about " + seconds(*plan.Estimate)
	} else {
		line += "; there is no history yet to estimate from"
	}
	p.Message("%s", line)
}
