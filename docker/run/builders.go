package run

import (
	"errors"
	"slices"
	"strings"
	"time"

	"rebuild/docker"
	"rebuild/impact"
)

// elapsed is the time of the schedule: seconds since the run began.
func (x *execution) elapsed() float64 { return time.Since(x.begun).Seconds() }

// several tells whether there are several builders, though one alone may be left.
func (x *execution) several() bool { return len(x.job.Builders) > 0 }

// travels tells whether what is built of an image now can be had by every builder.
func (x *execution) travels(name string) bool {
	im, _ := x.job.States.Catalog.Image(name)
	return x.Push && len(im.Refs) > 0
}

// spreadOut schedules the tasks of a job over the builders that are there. Builds of the
// job before go on where they are.
func (x *execution) spreadOut(tasks []impact.Task) {
	if !x.several() {
		x.spread = impact.NewSpread(tasks, []impact.Place{{Slots: x.Slots}}, nil)
	} else {
		var places []impact.Place
		for _, name := range x.job.Builders {
			places = append(places, impact.Place{Name: name, Slots: x.Slots})
		}
		held := map[string]impact.Held{}
		for name, rec := range x.outputs {
			held[name] = rec.Held()
		}
		x.spread = impact.NewSpread(tasks, places, held)
		for _, l := range x.report.Lost {
			x.spread.Lose(l.Builder)
		}
	}
	for name, b := range x.running {
		x.spread.Occupy(name, b.builder, b.began)
	}
}

// againEvery is how often a choice is looked at anew that an estimate made.
const againEvery = time.Second

// again fires when an image waits for one builder while another is free: what that does may
// take longer than expected.
func (x *execution) again() <-chan time.Time {
	if !x.several() || x.stopped || !x.spread.Waits() {
		return nil
	}
	return time.After(againEvery)
}

// lost tells whether a builder was given up.
func (x *execution) lost(builder string) bool {
	return slices.ContainsFunc(x.report.Lost, func(l Lost) bool { return l.Builder == builder })
}

// othersLeft tells whether a builder is left, of several.
func (x *execution) othersLeft() bool {
	return x.several() && slices.ContainsFunc(x.job.Builders, func(name string) bool { return !x.lost(name) })
}

// noneLeft ends the run when images are left over, as all builders were given up.
func (x *execution) noneLeft() {
	if x.fatal != nil || !x.several() || x.othersLeft() || !slices.ContainsFunc(x.involved(), func(name string) bool { return x.done[name] == nil }) {
		return
	}
	var causes []string
	for _, l := range x.report.Lost {
		causes = append(causes, l.Builder+": "+l.Cause)
	}
	last := x.report.Lost[len(x.report.Lost)-1].Builder
	x.fatal = &docker.Unreachable{
		Host: last, Cause: errors.New("no builder is left: " + strings.Join(causes, "; ")), Builder: true,
		Hint: "name another one: --builder, or make room: buildctl --addr " + last + " prune",
	}
}

// goesOnWithout tells whether it was a builder that went away, and others are left.
func (x *execution) goesOnWithout(o Outcome) bool {
	_, gone := docker.Elsewhere(o.Err)
	return gone && x.othersLeft()
}

// failedBy finds out whether it was the builder that failed an image. Then another builds
// it, once; the second time it is the image's failure.
func (x *execution) failedBy(o *Outcome) {
	if !x.several() || o.Err == nil || o.Status != Failed && o.Status != Cancelled {
		return
	}
	cause, gone := docker.Elsewhere(o.Err)
	if gone && !x.lost(o.Builder) {
		x.report.Lost = append(x.report.Lost, Lost{o.Builder, cause})
		x.spread.Lose(o.Builder)
	}
	if cause == "" || x.moved[o.Image] || x.stopped || !x.othersLeft() {
		return
	}
	x.moved[o.Image] = true
	o.Status, o.Because = Moved, cause
	x.spread.Avoid(o.Image, o.Builder)
}

// taken are the images that a builder takes from a registry, where another one pushed them.
func (x *execution) taken(builder string) map[string]string {
	taken := map[string]string{}
	for name, rec := range x.outputs {
		if x.several() && rec.Builder != builder && rec.Pushed != "" {
			taken[name] = rec.Pushed
		}
	}
	return taken
}

// place readies a request for the builder that is chosen. What is taken from a registry
// needs none of its own ancestors.
func (b *imageBuild) place(req *docker.Request) {
	req.Builder = b.builder
	if len(b.taken) == 0 {
		return
	}
	needed := map[string]bool{}
	var need func(image string)
	need = func(image string) {
		st := b.job.States.States[image]
		if st == nil {
			return
		}
		for _, p := range st.Parents {
			if !needed[p.Image] {
				needed[p.Image] = true
				if b.taken[p.Image] == "" {
					need(p.Image)
				}
			}
		}
	}
	need(b.name)
	for i, a := range req.Ancestors {
		req.Ancestors[i].Taken = b.taken[a.Image.Name]
	}
	req.Ancestors = slices.DeleteFunc(req.Ancestors, func(a docker.Request) bool { return !needed[a.Image.Name] })
}

// elsewhere tells whether the image or a parent was built on another builder before, so that
// nothing is known of what this one has.
func (b *imageBuild) elsewhere() bool {
	if b.builder == "" {
		return false
	}
	if b.old == nil || b.old.Builder != b.builder {
		return true
	}
	for _, p := range b.state.Parents {
		if _, taken := b.taken[p.Image]; taken {
			return true
		}
	}
	return false
}

// forget takes from the records of images what they were built from: a builder had lost them,
// and what it made of them in this build may be something else. The next run builds them.
func (b *imageBuild) forget(images []string) error {
	for _, name := range images {
		rec, _ := b.of.Records.Load(name)
		if rec == nil {
			continue
		}
		rec.State = nil
		if err := b.of.Records.Save(rec); err != nil {
			return err
		}
	}
	return nil
}
