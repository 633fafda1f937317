package main

import (
	"context"
	"errors"
	"time"

	"rebuild/cmd/rebuild/session"
	"rebuild/docker"
	"rebuild/docker/run"
	"rebuild/impact"
	"rebuild/impact/tree"
	"rebuild/watch/daemon"
)

// planner plans for a daemon, each time in a session of its own: what the last one saw
// may not be so any more. Plannings come one after another.
type planner struct {
	place  session.Place
	query  session.Query
	log    *watchLog
	hidden *secrets
	caches *session.Caches
	uses   int // of caches
}

// cacheUses bounds how long caches live, since every edit adds to them.
const cacheUses = 200

func newPlanner(place session.Place, q session.Query, log *watchLog, hidden *secrets) *planner {
	return &planner{place: place, query: q, log: log, hidden: hidden}
}

// plan plans by the definition that is there, else by the last good one.
func (pl *planner) plan(ctx context.Context, good *impact.Catalog) *daemon.Planned {
	if pl.uses%cacheUses == 0 {
		pl.caches = session.NewCaches()
	}
	pl.uses++
	warned := &session.Warnings{Later: pl.log.warn}
	out := &daemon.Planned{}
	s, err := session.Open(ctx, pl.place, session.Asked, session.Options{Warn: warned.Add, Caches: pl.caches, Secret: pl.hidden.add})
	if err == nil {
		out.Close = s.Close
		err = pl.planIn(ctx, s, pl.query, out)
		if err != nil && good != nil && !unreachable(err) && !unsettled(err) && ctx.Err() == nil {
			q := pl.query
			q.Catalog = good
			if again := pl.planIn(ctx, s, q, out); unreachable(again) {
				err = again
			}
		}
		out.FoldersRead = s.FoldersRead()
	}
	out.Err, out.Unsettled = err, unsettled(err)
	out.Warnings = append(warned.Take(), out.Warnings...)
	return out
}

// planIn plans in a session, and says how to carry the plan out.
func (pl *planner) planIn(ctx context.Context, s *session.Session, q session.Query, out *daemon.Planned) error {
	p, err := s.PlanOnline(ctx, q)
	if err != nil {
		return err
	}
	out.Save = p.Save
	if err := p.SharedTags(); err != nil {
		return err
	}
	job, err := s.Job(ctx, p)
	if err != nil {
		return err
	}
	out.Warnings = p.Plan.Warnings
	out.Plan, out.Target, out.Job, out.Made, out.Built = p.Plan, p.Target, job, p.Made, map[string]time.Time{}
	for name, rec := range p.Records {
		if !rec.Built.IsZero() {
			out.Built[name] = rec.Built
		}
	}
	out.Run = func(ctx context.Context, b daemon.Build) (*run.Report, error) { return runBuilds(ctx, s, p, b) }
	return nil
}

// runBuilds carries builds out.
func runBuilds(ctx context.Context, s *session.Session, p *session.Planned, b daemon.Build) (*run.Report, error) {
	waits := func(h session.Holder) { b.Waits(daemon.Holder(h)) }
	report, waited, err := s.RunLocked(ctx, p, b.Job, session.Following{Updates: b.Updates, Observe: b.Observe, Waits: waits})
	if waited && err == nil {
		err = daemon.ErrWaited
	}
	return report, err
}

func unreachable(err error) bool {
	var gone *docker.Unreachable
	return errors.As(err, &gone)
}

// unsettled tells of an error that a file was written while it was read: another planning
// finds it settled.
func unsettled(err error) bool {
	var changed *tree.ChangedError
	return errors.As(err, &changed)
}
