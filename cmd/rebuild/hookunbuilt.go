package main

import (
	"context"
	"errors"

	"rebuild/docker"
	"rebuild/impact"
	"rebuild/impact/catalog"
)

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
	if err != nil {
		return nil, err
	}
	h.keepTrace(ctx, p)
	if len(p.plan.Rebuilds()) == 0 {
		return nil, nil
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
