package daemon

import (
	"errors"
	"testing"
	"time"

	"rebuild/docker/run"
	"rebuild/impact"
)

func stateOf(w *world, name string) impact.Digest {
	var all []string
	for _, im := range w.images {
		all = append(all, im.name)
	}
	a := &attempt{Planned: &Planned{Target: w.snapshot(all)}}
	return a.stateOf(name)
}

// A failed image waits for a change that touches it, and what is built on it waits
// with it; other changes build other images.
func TestFailedImageWaits(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		w.files["base/f"] = "fail"
		r := start(w)
		r.settle()
		r.built("base side")
		r.told("base failed: Dockerfile:2 RUN make")
		r.shows("failed; base failed; app stale, image base; side up to date")
		if f := r.status().Images[0].Failure; f.Cause != "exit code 1" || len(f.Log) != 1 {
			t.Errorf("%+v", f)
		}
		answers := r.wait()
		r.settle()
		r.hears(answers, Rested, "base", "app")
		r.write("side/f", "two")
		r.settle()
		r.built("side")
		r.write("app/f", "two")
		r.settle()
		r.built("")
		r.told()
		r.write("base/f", "fail again")
		r.settle()
		r.built("base")
		r.told("base failed: Dockerfile:2 RUN make")
		r.write("base/f", "two")
		r.settle()
		r.built("base app")
		r.told("Recovered{base}")
		r.shows("up to date; base up to date; app up to date; side up to date")
		// What is put back to what was built last is no failure any more.
		r.write("base/f", "fail")
		r.settle()
		r.built("base")
		r.write("base/f", "two")
		r.settle()
		r.built("")
		r.told("base failed: Dockerfile:2 RUN make", "Recovered{base}")
		r.shows("up to date; base up to date; app up to date; side up to date")
		r.end()
	})
}

// What fails just before the run takes a newer job is taken out of that, with what stands
// on it.
func TestFailedBeforeTheNewerJobIsTaken(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		a := &attempt{Planned: w.plan(t.Context(), nil)}
		a.retain()
		l := newLoop(w.options(), nil)
		l.newest, l.ready, l.active = a, true, &activeRun{}
		l.findWaiting()
		job := a.Job
		job.Plan = a.without(false)
		l.active.newer, l.active.given = &job, job
		l.outcome(run.Outcome{Image: "base", Status: run.Failed, Err: errors.New("no"), State: a.stateOf("base")}, nil)
		for name, want := range map[string]bool{"base": false, "app": false, "side": true} {
			if got := isBuilt(l.active.newer.Plan.Image(name)); got != want {
				t.Errorf("%s is built: %v, want %v", name, got, want)
			}
		}
		l.endRun(t.Context(), runEnd{})
		a.release()
		if w.plannings[0].closed != 1 {
			t.Error("the planning is not closed")
		}
	})
}

// When a daemon starts, it tries once what failed before.
func TestFailedBeforeTheStart(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		w.files["side/f"] = "fail"
		first := start(w)
		first.settle()
		first.built("base app side")
		first.end()
		first.told("side failed: Dockerfile:2 RUN make")
		second := start(w)
		second.settle()
		second.built("side")
		second.end()
	})
}

// While a run goes on, what stands on an image that failed in it is stale, not queued.
func TestFailedBelowDuringARun(t *testing.T) {
	images := append(three(), image{name: "top", files: []string{"top/f"}, parents: []string{"app"}, phase: 2})
	story(t, images, func(t *testing.T, w *world) {
		w.files["base/f"] = "fail"
		r := start(w)
		r.after(1500 * time.Millisecond)
		r.shows("working; base failed; app stale, image base; side building; top stale, image base")
		r.settle()
		r.shows("failed; base failed; app stale, image base; side up to date; top stale, image app")
		r.end()
	})
}

// A failure in a critical phase holds back the later phases.
func TestCriticalPhase(t *testing.T) {
	images := []image{
		{name: "zero", files: []string{"zero/f"}},
		{name: "base", files: []string{"base/f"}, phase: 1, critical: true},
		{name: "app", files: []string{"app/f"}, parents: []string{"base"}, phase: 2},
		{name: "side", files: []string{"side/f"}, phase: 2},
	}
	story(t, images, func(t *testing.T, w *world) {
		w.files["base/f"] = "fail"
		r := start(w)
		r.settle()
		r.built("zero base")
		r.shows("failed; zero up to date; base failed; app stale, image base; side stale, critical phase base")
		r.write("zero/f", "two") // of an earlier phase
		r.settle()
		r.built("zero")
		r.write("side/f", "two")
		r.settle()
		r.built("")
		r.write("base/f", "two")
		r.settle()
		r.built("base app side")
		r.shows("up to date; zero up to date; base up to date; app up to date; side up to date")
		r.end()
	})
}

// An image that cannot be built harms no other, and is told of once for each cause.
func TestImageAtFault(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		r.built("base app side")
		r.write("base/f", "fault")
		r.settle()
		r.write("side/f", "two")
		r.settle()
		r.built("side")
		r.told("Unbuildable{base Dockerfile:3: half typed}")
		r.shows("failed; base failed; app stale, image base; side up to date")
		if f := r.status().Images[0].Failure; f.File != "Dockerfile" || f.Line != 3 || f.What != "half typed" {
			t.Errorf("%+v", f)
		}
		r.write("base/f", "two")
		r.settle()
		r.built("base app")
		r.told("Buildable{base}")
		r.end()
	})
}

// Images come and go, also while they fail.
func TestImagesComeAndGo(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		w.files["side/f"] = "fail"
		r := start(w)
		r.settle()
		r.built("base app side")
		r.told("side failed: Dockerfile:2 RUN make")
		w.set(func() { w.images = w.images[:2] })
		r.touch(root)
		r.settle()
		r.shows("up to date; base up to date; app up to date")
		w.set(func() {
			w.files["new/f"] = "one"
			w.images = append(w.images, image{name: "new", files: []string{"new/f"}})
		})
		r.touch(root)
		r.settle()
		r.built("new")
		r.shows("up to date; base up to date; app up to date; new up to date")

		// One that leaves while it is built, and fails then.
		r.write("new/f", "fail")
		r.after(500 * time.Millisecond)
		w.set(func() { w.supersede, w.images = false, w.images[:2] })
		r.touch(root)
		r.settle()
		r.told("new failed: Dockerfile:2 [1/1] RUN make")
		r.shows("up to date; base up to date; app up to date")
		r.end()
	})
}
