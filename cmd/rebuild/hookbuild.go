package main

import (
	"context"

	"rebuild/docker"
	"rebuild/impact"
)

// carryOut builds images of the pushed commit. They get their tags only when that
// commit is what is checked out, or the user says so; else they are built aside.
func (h *prePush) carryOut(ctx context.Context, c pushed, u *unbuilt, names []string) (p *planning, report *docker.Report, err error) {
	h.m.again(ctx)
	release, err := h.w.lock(ctx, func() { h.m.again(ctx) })
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err := release(); err != nil {
			h.voice.warn("%v", err)
		}
	}()
	h.w.flags.only = names
	if p, err = h.w.livePlanning(ctx, nil, h.m); err != nil {
		return nil, nil, err
	}
	tagged := h.tag
	if !tagged {
		if tagged, err = h.w.repo.CheckedOut(ctx, c.commit); err != nil {
			return nil, nil, err
		}
	}
	h.tellCosts(c, u, names)
	if tagged && oneTagOneImage(p.target.Catalog, p.plan.Rebuilds()) == nil {
		report, err = h.w.execute(ctx, p, h.progress)
	} else {
		report, err = h.w.executeAside(ctx, p, h.progress)
	}
	if report == nil {
		return p, nil, err
	}
	var passed []impact.Digest
	for _, o := range report.Outcomes {
		if o.Status == docker.Built || o.Status == docker.Kept || o.Status == docker.CutOff {
			passed = append(passed, docker.StateDigest(p.states.States[o.Image]))
		}
	}
	if len(passed) > 0 {
		if err := h.m.records.AddChecked(passed...); err != nil {
			h.voice.warn("%v", err)
		}
	}
	return p, report, err
}
