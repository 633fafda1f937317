package main

import (
	"rebuild/docker"
	"rebuild/impact"
)

// assumedOverhead is what a build takes beside its steps, in seconds: the
// session, the file sync, the export. Seen: 50 ms when all is cached, up to a
// second when layers are exported.
const assumedOverhead = 0.3

// estimate fills in what the plan will take, from the steps' recorded times. An
// image of which some step was never seen has none, and neither has the plan.
func (p *planning) estimate(slots int) {
	known := map[string]float64{}
	for _, rec := range p.records {
		for step, s := range rec.Steps {
			known[step] = max(known[step], s)
		}
	}
	complete := true
	var tasks []impact.Task
	for _, name := range p.target.Order {
		im := p.plan.Image(name)
		if im.Action != impact.Rebuild || !im.Selected {
			continue
		}
		s, ok := imageSeconds(im, p.records[name], known)
		if ok {
			im.Estimate = &s
		} else {
			complete = false
		}
		tasks = append(tasks, impact.Task{Name: name, Parents: im.Parents, Phase: im.Phase, Cost: s})
	}
	if complete {
		total := impact.Makespan(tasks, slots)
		p.plan.Estimate = &total
	}
}

// imageSeconds adds up the steps that a build will run. A step is known by its
// own record, else by that of another image with the same step.
func imageSeconds(im *impact.ImagePlan, rec *docker.Record, known map[string]float64) (float64, bool) {
	total := assumedOverhead
	for _, l := range im.Layers {
		if !l.Step || l.State != impact.Invalidated {
			continue
		}
		s, ok := 0.0, false
		if rec != nil {
			s, ok = rec.Steps[l.Name]
		}
		if !ok {
			s, ok = known[l.Name]
		}
		if !ok {
			return total, false
		}
		total += s
	}
	return total, true
}

// costs are the estimates that order a run's images.
func (p *planning) costs() map[string]float64 {
	costs := map[string]float64{}
	for _, im := range p.plan.Images {
		costs[im.Name] = assumedOverhead * float64(1+im.Foretold())
		if im.Estimate != nil {
			costs[im.Name] = *im.Estimate
		}
	}
	return costs
}
