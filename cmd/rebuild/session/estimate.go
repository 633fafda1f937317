package session

import (
	"maps"
	"slices"
	"strings"

	"rebuild/docker/record"
	"rebuild/impact"
)

// What a build takes beside its steps, in seconds: the session, the file sync, the
// export. Seen: 50 ms when all is cached, up to a second when layers are exported.
const (
	// CachedSeconds is what an image takes whose layers all come from the cache.
	CachedSeconds   = 0.1
	assumedOverhead = 0.5 // before any build ran a step
)

// history is what steps took when they last ran, in seconds.
type history struct {
	steps map[string]float64 // by BuildKit's name
	kinds map[string]float64 // mean of all steps of an instruction

	overhead float64 // mean of what builds took beside their steps
}

// withIsolated adds what steps took in builds that left no record of an image: its own
// record counts where both know a step.
func withIsolated(records, isolated map[string]*record.Record) map[string]*record.Record {
	all := make(map[string]*record.Record, len(records))
	maps.Copy(all, records)
	for name, rec := range isolated {
		timed := *rec
		if own := records[name]; own != nil {
			timed.Steps = map[string]float64{} // a record that knows none has no map
			maps.Copy(timed.Steps, rec.Steps)
			maps.Copy(timed.Steps, own.Steps)
			if own.Overhead > 0 {
				timed.Overhead = own.Overhead
			}
		}
		all[name] = &timed
	}
	return all
}

func newHistory(records map[string]*record.Record) history {
	h := history{steps: map[string]float64{}, kinds: map[string]float64{}}
	seen := map[string]float64{}
	var overheads []float64
	for _, rec := range records {
		if rec.Overhead > 0 {
			overheads = append(overheads, rec.Overhead)
		}
		for step, s := range rec.Steps {
			h.steps[step] = max(h.steps[step], s)
			kind := instructionOf(step)
			h.kinds[kind] += s
			seen[kind]++
		}
	}
	for kind, n := range seen {
		h.kinds[kind] /= n
	}
	h.overhead = assumedOverhead
	if len(overheads) > 0 {
		h.overhead = 0
		for _, s := range overheads {
			h.overhead += s / float64(len(overheads))
		}
	}
	return h
}

// instructionOf is the instruction in a step's name: RUN of "[2/5] RUN make".
func instructionOf(step string) string {
	_, after, ok := strings.Cut(step, "] ")
	if !ok {
		after = step
	}
	word, _, _ := strings.Cut(after, " ")
	return word
}

// step is what a step will take: its own time, that of the same step in another
// image, or for one that never ran the mean of its kind.
func (h history) step(name string, own *record.Record) float64 {
	if own != nil {
		if s, ok := own.Steps[name]; ok {
			return s
		}
	}
	if s, ok := h.steps[name]; ok {
		return s
	}
	return h.kinds[instructionOf(name)]
}

// estimate fills in what the plan will take on the query's slots, from the recorded
// times of steps. Before the first build there are none, and no estimate.
func (p *Planned) estimate(records map[string]*record.Record) {
	h := newHistory(records)
	if len(h.steps) == 0 {
		return
	}
	tasks := map[string]impact.Task{}
	var all []impact.Task
	for _, name := range p.Target.Order {
		im := p.Plan.Image(name)
		if im.Action != impact.Rebuild || !im.Selected || im.Err != nil {
			continue
		}
		total := h.beside(im, records[name])
		for _, l := range im.Layers {
			if l.Runs() {
				total += h.step(l.Name, records[name])
			}
		}
		im.Estimate = &total
		tasks[name] = impact.Task{Name: name, Parents: im.Parents, Phase: im.Phase, Cost: total, Travels: p.query.Push}
		all = append(all, tasks[name])
	}
	whole := p.Span(all)
	p.Plan.Estimate = &whole
	for i, ph := range p.Plan.Phases {
		var some []impact.Task
		for _, t := range all {
			if slices.Contains(ph.Images, t.Name) {
				some = append(some, t)
			}
		}
		span := p.Span(some)
		p.Plan.Phases[i].Estimate = &span
	}
}

// Span is how many seconds the builds of images take one beside another, where they are
// built.
func (p *Planned) Span(tasks []impact.Task) float64 {
	if len(p.places) < 2 {
		return impact.Makespan(tasks, p.query.Slots)
	}
	held := map[string]impact.Held{}
	for name, rec := range p.Records {
		held[name] = rec.Held()
	}
	return impact.NewSpread(tasks, p.places, held).Makespan(nil)
}

// beside is what a build will take beside its steps.
func (h history) beside(im *impact.ImagePlan, rec *record.Record) float64 {
	switch {
	case im.Predicted() == 0:
		return CachedSeconds
	case rec != nil && rec.Overhead > 0:
		return rec.Overhead
	}
	return h.overhead
}

// costs are the estimates that order a run's images.
func (p *Planned) costs() map[string]float64 {
	costs := map[string]float64{}
	for _, im := range p.Plan.Images {
		costs[im.Name] = assumedOverhead * float64(1+im.Predicted()) // more steps, more time, as far as anybody knows
		if im.Estimate != nil {
			costs[im.Name] = *im.Estimate
		}
	}
	return costs
}
