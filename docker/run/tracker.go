package run

import (
	"slices"
	"sync"
	"time"

	"rebuild/docker"
	"rebuild/impact"
)

// Tracker knows how far a run is. It is told what Run.Observe is. Its methods may be called
// concurrently.
type Tracker struct {
	plan *impact.Plan
	span func([]impact.Task) float64

	mu     sync.Mutex // guards all below
	builds []*trackedBuild
	ended  map[string]Status
	all    []string // images that are built, or are to be
}

type trackedBuild struct {
	image string
	since time.Time
	steps *docker.StepLog
}

// Progress is how far a run is at one moment.
type Progress struct {
	Builds []Build  // that run, the oldest first
	Phases []string // in which they are, in order
	Done   int      // images that have come to an end, whichever
	Failed int      // of them
	All    int      // images that the run is about

	Left *float64 // seconds that the run will still take, estimated; nil: nobody knows
	// Longest are the images, parents first, that end last if all go on at once, with
	// the seconds that they will take one after another; nil without an estimate.
	Longest     []string
	LongestLeft float64
}

// Build is a build that runs.
type Build struct {
	Image   string
	Phase   string
	Layer   *Layer   // that is being built; nil: none yet
	Elapsed float64  // seconds
	Left    *float64 // seconds, estimated; nil: nobody knows
}

// Layer is a place in a Dockerfile; File is "" for a step of BuildKit's own.
type Layer struct {
	File        string `json:"dockerfile,omitempty"`
	Line        int    `json:"line,omitempty"`
	Instruction string `json:"instruction"`
}

// LayerOf is the place of a layer of a plan.
func LayerOf(l impact.LayerPlan) *Layer {
	return &Layer{File: l.Dockerfile, Line: l.Line, Instruction: l.Instruction}
}

// RunningLayer is the first layer that a build executes now, nil when there is none.
func RunningLayer(ip *impact.ImagePlan, steps *docker.StepLog) *Layer {
	running := steps.Running()
	if len(running) == 0 {
		return nil
	}
	if l := ip.LayerNamed(running[0]); l != nil {
		return LayerOf(*l)
	}
	return &Layer{Instruction: withheld(ip, running[0])}
}

// NewTracker follows the run of a plan. span says how many seconds the builds of images
// take, where they are built.
func NewTracker(plan *impact.Plan, span func([]impact.Task) float64) *Tracker {
	return &Tracker{plan: plan, span: span, ended: map[string]Status{}, all: slices.Clone(plan.Rebuilds())}
}

// Observe takes in what Run.Observe is called with.
func (t *Tracker) Observe(image string, steps *docker.StepLog, o *Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o == nil {
		t.builds = append(t.builds, &trackedBuild{image, time.Now(), steps})
		if !slices.Contains(t.all, image) { // kept in the plan, and a parent came out another
			t.all = append(t.all, image)
		}
		return
	}
	t.builds = slices.DeleteFunc(t.builds, func(b *trackedBuild) bool { return b.image == image })
	if o.Status == Moved {
		return
	}
	if slices.Contains(t.all, image) {
		t.ended[image] = o.Status
	}
}

// Now tells how far the run is.
func (t *Tracker) Now() Progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := Progress{Done: len(t.ended), All: len(t.all)}
	for _, status := range t.ended {
		if status == Failed {
			now.Failed++
		}
	}
	elapsed := map[string]float64{}
	for _, b := range t.builds {
		ip := t.plan.Image(b.image)
		build := Build{Image: b.image, Phase: t.plan.PhaseOf(b.image), Layer: RunningLayer(ip, b.steps), Elapsed: time.Since(b.since).Seconds()}
		elapsed[b.image] = build.Elapsed
		if ip != nil && ip.Estimate != nil {
			if left := *ip.Estimate - build.Elapsed; left > 0 { // else nobody knows
				build.Left = &left
			}
		}
		now.Builds = append(now.Builds, build)
	}
	for _, ph := range t.plan.Phases {
		if slices.ContainsFunc(now.Builds, func(b Build) bool { return b.Phase == ph.Name }) {
			now.Phases = append(now.Phases, ph.Name)
		}
	}
	if t.plan.Estimate == nil {
		return now
	}
	tasks := t.tasksLeft(elapsed)
	left := t.span(tasks)
	now.Left = &left
	now.Longest, now.LongestLeft = impact.LongestPath(tasks)
	return now
}

// tasksLeft are the images that are not done, with the seconds that they will still take.
func (t *Tracker) tasksLeft(elapsed map[string]float64) []impact.Task {
	var tasks []impact.Task
	for _, name := range t.all {
		ip := t.plan.Image(name)
		if _, ended := t.ended[name]; ended || ip == nil {
			continue
		}
		task := impact.Task{Name: name, Parents: ip.Parents, Phase: ip.Phase}
		if ip.Estimate != nil {
			task.Cost = max(0, *ip.Estimate-elapsed[name])
		}
		tasks = append(tasks, task)
	}
	return tasks
}
