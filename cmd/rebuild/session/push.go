package session

import (
	"context"
	"errors"

	"rebuild/docker/record"
	"rebuild/docker/run"
	"rebuild/impact"
	"rebuild/impact/tree"
)

// BuiltBefore tells of the images that a plan rebuilds which of them were built from the
// same state before, with or without their tags.
func (s *Session) BuiltBefore(ctx context.Context, p *Planned) (map[string]bool, error) {
	states, err := s.byteStates(ctx, p)
	if err != nil {
		return nil, err
	}
	checked, err := s.engine.records.Checked()
	if err != nil {
		s.warn(err.Error())
	}
	built := map[string]bool{}
	for _, ip := range p.Plan.Images {
		if ip.Action != impact.Rebuild {
			continue
		}
		st, rec := states.States[ip.Name], p.Records[ip.Name]
		built[ip.Name] = st.Err == nil && (checked[record.StateDigest(st)] || rec != nil && rec.IsOf(st))
	}
	return built, nil
}

// EstimateIsolated fills in what the plan will take, also by what isolated builds took.
func (s *Session) EstimateIsolated(p *Planned) {
	isolated, warnings := s.isolatedRecords().LoadAll(p.Target.Catalog.Names())
	s.warnAll(warnings)
	p.estimate(withIsolated(p.Records, isolated))
}

// RunPushed carries out a plan for a pushed commit, and notes what was built. Images get
// their tags only when the commit is what is checked out, or tag is set; else they are
// built isolated.
func (s *Session) RunPushed(ctx context.Context, p *Planned, commit string, tag bool, shown Shown) (report *run.Report, err error) {
	if !tag {
		if tag, err = s.Repo.CheckedOut(ctx, commit); err != nil {
			return nil, err
		}
	}
	if tag && p.SharedTags() == nil {
		report, err = s.Run(ctx, p, shown)
	} else {
		report, err = s.runIsolated(ctx, p, shown)
	}
	if report != nil {
		if err := s.noteChecked(p, report); err != nil {
			s.warn(err.Error())
		}
	}
	return report, err
}

// noteChecked notes the states that a run has built, whatever images the engine holds
// later.
func (s *Session) noteChecked(p *Planned, report *run.Report) error {
	var passed []impact.Digest
	for _, o := range report.Outcomes {
		if o.Status == run.Built || o.Status == run.Kept || o.Status == run.CutOff {
			passed = append(passed, record.StateDigest(p.states.States[o.Image]))
		}
	}
	if len(passed) == 0 {
		return nil
	}
	return s.engine.records.AddChecked(passed...)
}

// Resolve gives the commit that an object stands for, if there is one here.
func (s *Session) Resolve(ctx context.Context, object string) (commit string, ok bool, err error) {
	commit, err = s.Repo.Resolve(ctx, object)
	var none *tree.RevisionError
	if errors.As(err, &none) {
		return "", false, nil
	}
	return commit, err == nil, err
}
