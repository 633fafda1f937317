package daemon

import (
	"testing"
	"time"
)

// Without an engine the daemon says so once, tries again, and goes on when the engine
// is back.
func TestEngineIsAway(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		w.down = true
		r := start(w)
		r.settle()
		r.told("engine away")
		r.shows("waiting for the engine")
		answers := r.wait()
		r.settle()
		r.hearsNothing(answers)
		w.set(func() { w.down = false })
		r.settle()
		r.told("engine back")
		r.built("base app side")
		r.hears(answers, Rested)

		// The same in the middle of a build.
		r.write("side/f", "two")
		r.after(500 * time.Millisecond)
		w.set(func() { w.down = true })
		r.after(time.Second)
		r.shows("waiting for the engine; base up to date; app up to date; side queued")
		r.settle()
		w.set(func() { w.down = false })
		r.settle()
		r.told("engine away", "engine back")
		r.built("side side")
		r.shows("up to date; base up to date; app up to date; side up to date")
		r.end()
	})
}

// It looks for the engine after one second, then after two, four, and every five.
func TestEngineIsLookedForLessAndLess(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		w.down, w.planTime = true, 0
		r := start(w, func(o *Options) { o.Watch = silent })
		plannings := func() int { return locked(w, func() int { return len(w.plannings) }) }
		r.after(0)
		before := plannings()
		for i, pause := range []time.Duration{1, 2, 4, 5, 5} {
			r.after(pause*time.Second - 10*time.Millisecond)
			if n := plannings(); n != before {
				t.Errorf("planned %d times, too soon at %d", n, i)
			}
			r.after(10 * time.Millisecond)
			if n := plannings(); n != before+1 {
				t.Errorf("planned %d times, too late at %d", n, i)
			}
			before = plannings()
		}
		r.end()
	})
}

// A definition that breaks while the engine is away is what is told then: nobody knows
// of the engine. Before, the one hid the other for ever.
func TestEngineIsAwayAndTheDefinitionBroken(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		w.down = true
		r := start(w)
		r.settle()
		r.told("engine away")
		w.set(func() { w.broken = "half typed" })
		r.touch(root)
		r.settle()
		r.told("broken: rebuild.yaml:1: half typed, uses old: false")
		if s := r.status(); s.State != Failing || s.Error != "rebuild.yaml:1: half typed" {
			t.Errorf("%+v", s)
		}
		w.set(func() { w.broken = "" })
		r.touch(root)
		r.settle()
		r.told("engine away")
		w.set(func() { w.down = false })
		r.settle()
		r.told("engine back", "read again")
		r.built("base app side")

		// And with a definition to fall back on, the engine is asked.
		w.set(func() { w.down = true })
		r.write("side/f", "two")
		r.settle()
		w.set(func() { w.down, w.broken = false, "half typed" })
		r.touch(root)
		r.settle()
		r.built("side")
		r.told("engine away", "engine back", "broken: rebuild.yaml:1: half typed, uses old: true")
		if s := r.status(); s.State != Failing || s.Error != "rebuild.yaml:1: half typed" {
			t.Errorf("%+v", s)
		}
		r.end()
	})
}
