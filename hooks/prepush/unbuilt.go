package prepush

import "rebuild/impact"

// Policies of a phase: what a push is held to for its images.
const (
	policySkip = "skip"
	policyWarn = "warn"
)

// unbuilt is what a pushed commit touches and was never built.
type unbuilt struct {
	*Planned
	names  []string          // the images to check, parents first
	policy map[string]string // "build", "warn" or "skip"
}

// newUnbuilt leaves out what was built from the same state before, with or without its
// tags, and what no push is held to.
func newUnbuilt(p *Planned) (*unbuilt, error) {
	u := &unbuilt{Planned: p}
	if len(p.Plan.Rebuilds()) == 0 {
		return u, nil
	}
	var err error
	if u.policy, err = policies(p.Target); err != nil {
		return nil, err
	}
	for _, name := range p.Target.Order {
		if p.Plan.Image(name).Action == impact.Rebuild && !p.Built[name] && u.policy[name] != policySkip {
			u.names = append(u.names, name)
		}
	}
	return u, nil
}

// policies is what a push is held to for each image.
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
