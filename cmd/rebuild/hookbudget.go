package main

import (
	"slices"
	"time"

	"rebuild/impact"
)

// cost is what building images takes on so many slots, in seconds, with those of
// their parents that the plan rebuilds too; built are those that only come from the
// cache.
func (p *planning) cost(names []string, built map[string]bool, slots int) float64 {
	in := map[string]bool{}
	for _, name := range names {
		in[name] = true
	}
	var tasks []impact.Task
	for _, name := range slices.Backward(p.target.Order) {
		if !in[name] {
			continue
		}
		im := p.plan.Image(name)
		for _, parent := range im.Parents {
			in[parent] = in[parent] || p.plan.Image(parent).Action == impact.Rebuild
		}
		t := impact.Task{Name: name, Parents: im.Parents, Phase: im.Phase, Cost: cachedOverhead}
		if im.Estimate != nil && !built[name] {
			t.Cost = *im.Estimate
		}
		tasks = append(tasks, t)
	}
	slices.Reverse(tasks)
	return impact.Makespan(tasks, slots)
}

// fit divides images into those that can be built within a budget by the estimates,
// and those that are left: in the order of the plan, each that still fits. Without
// estimates, or a budget, all can.
func (p *planning) fit(names []string, built map[string]bool, budget time.Duration, slots int) (begin, left []string) {
	if p.plan.Estimate == nil || budget == 0 {
		return names, nil
	}
	for _, name := range names {
		if more := append(slices.Clone(begin), name); p.cost(more, built, slots) <= budget.Seconds() {
			begin = more
		} else {
			left = append(left, name)
		}
	}
	return begin, left
}
