package prepush

import (
	"slices"

	"rebuild/impact"
)

// cost is what building images takes, in seconds, with those of their parents that the
// plan rebuilds too. What was built before only comes from the cache.
func (o Options) cost(u *unbuilt, names []string) float64 {
	in := map[string]bool{}
	for _, name := range names {
		in[name] = true
	}
	var tasks []impact.Task
	for _, name := range slices.Backward(u.Target.Order) {
		if !in[name] {
			continue
		}
		im := u.Plan.Image(name)
		for _, parent := range im.Parents {
			in[parent] = in[parent] || u.Plan.Image(parent).Action == impact.Rebuild
		}
		t := impact.Task{Name: name, Parents: im.Parents, Phase: im.Phase, Cost: o.CachedSeconds}
		if im.Estimate != nil && !u.Built[name] {
			t.Cost = *im.Estimate
		}
		tasks = append(tasks, t)
	}
	slices.Reverse(tasks)
	return impact.Makespan(tasks, o.Slots)
}

// fit divides images into those that can be built within the budget by the estimates,
// and those that are left: in the order of the plan, each that still fits. Without
// estimates, or a budget, all can.
func (o Options) fit(u *unbuilt) (begin, left []string) {
	if u.Plan.Estimate == nil || o.Budget == 0 {
		return u.names, nil
	}
	for _, name := range u.names {
		if more := append(slices.Clone(begin), name); o.cost(u, more) <= o.Budget.Seconds() {
			begin = more
		} else {
			left = append(left, name)
		}
	}
	return begin, left
}

// beginning says what is about to be done, and what a change of an image that others are
// built on costs.
func (o Options) beginning(c Commit, u *unbuilt, names []string) Beginning {
	e := Beginning{Commit: c, Images: names, Seconds: o.seconds(u, names)}
	for _, name := range names {
		if u.Plan.Image(name).WaitsOnly() {
			continue
		}
		all := []string{name}
		for _, dependent := range u.Target.DependentsOf(name) {
			if slices.Contains(names, dependent) {
				all = append(all, dependent)
			}
		}
		if len(all) > 1 {
			e.Causes = append(e.Causes, Spread{
				Image: name, Images: len(all), Base: len(u.Target.ParentsOf(name)) == 0, Seconds: o.seconds(u, all),
			})
		}
	}
	return e
}

// seconds is the cost of images, nil without history.
func (o Options) seconds(u *unbuilt, names []string) *float64 {
	if u.Plan.Estimate == nil {
		return nil
	}
	s := o.cost(u, names)
	return &s
}
