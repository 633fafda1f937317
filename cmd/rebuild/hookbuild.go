package main

import (
	"context"
	"errors"

	"rebuild/cmd/rebuild/session"
	"rebuild/docker"
	"rebuild/docker/run"
	"rebuild/hooks/prepush"
)

// build builds images of a pushed commit, and prints what failed.
func (c *pushCheck) build(ctx context.Context, commit prepush.Commit, images []string, begin func()) ([]prepush.Outcome, error) {
	report, err := c.carryOut(ctx, commit, images, begin)
	var (
		gone      *docker.Unreachable
		buildless *docker.NoBuildKit
	)
	switch {
	case errors.As(err, &gone):
		err = &prepush.Unreachable{Err: gone}
	case errors.As(err, &buildless):
		err = &prepush.Unreachable{Err: buildless}
	}
	if report == nil {
		return nil, err
	}
	complete := err == nil || errors.Is(err, context.DeadlineExceeded) // else the error says it all
	var outcomes []prepush.Outcome
	for _, o := range report.Outcomes {
		if o.Status == run.Moved {
			continue // what became of it follows
		}
		outcomes = append(outcomes, prepush.Outcome{Image: o.Image, End: endOf(o.Status), Because: o.Because})
	}
	if complete {
		c.p.WarnAll(report.Warnings)
	}
	return outcomes, err
}

// endOf is a status as a check of a push takes it.
func endOf(s run.Status) prepush.End {
	switch s {
	case run.Failed:
		return prepush.Failed
	case run.Skipped:
		return prepush.Skipped
	case run.Cancelled, run.Superseded:
		return prepush.Unfinished
	}
	return prepush.Passed
}

func (c *pushCheck) carryOut(ctx context.Context, commit prepush.Commit, images []string, begin func()) (*run.Report, error) {
	c.s.Refresh()
	release, err := lockRun(ctx, c.p, c.s, true)
	if err != nil {
		return nil, err
	}
	defer releaseRun(c.p, release)
	q := c.of(commit)
	q.Exactly = images
	planned, err := c.s.PlanOnline(ctx, q)
	if err != nil {
		return nil, err
	}
	begin()
	view := newRunView(c.p, c.progress, planned)
	return view.show(ctx, func(shown session.Shown) (*run.Report, error) {
		return c.s.RunPushed(ctx, planned, commit.ID, c.tag, shown)
	})
}
