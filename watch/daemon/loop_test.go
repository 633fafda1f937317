package daemon

import (
	"testing"
)

// app stands on base; side is by itself.
func three() []image {
	return []image{
		{name: "base", files: []string{"base/f"}},
		{name: "app", files: []string{"app/f"}, parents: []string{"base"}, phase: 1},
		{name: "side", files: []string{"side/f"}, phase: 1},
	}
}

// What became stale before the start is caught up on; then each change builds what it
// touches, and what stands on that.
func TestCatchUpAndChanges(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		r.built("base app side")
		r.shows("up to date; base up to date; app up to date; side up to date")
		r.write("side/f", "two")
		r.settle()
		r.built("side")
		r.write("base/f", "two")
		r.settle()
		r.built("base app")
		r.told()
		r.touch(full("base/f")) // with nothing changed
		r.settle()
		r.built("")
		// What comes out the same leaves what stands on it alone.
		r.write("base/f", "two#a comment")
		r.settle()
		r.built("base")
		r.told("CutOff{app}")
		if err := r.end(); err != errEnough {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestNoCatchUp(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w, func(o *Options) { o.NoCatchUp = true })
		r.settle()
		r.built("")
		r.shows("up to date; base stale, stale at the start; app stale, stale at the start; side stale, stale at the start")
		answers := r.wait()
		r.settle()
		r.hears(answers, Rested, "base", "app", "side")
		r.write("side/f", "two")
		r.settle()
		r.built("side")
		r.write("app/f", "two") // it waits for its base, which nobody touches
		r.settle()
		r.built("")
		r.shows("up to date; base stale, stale at the start; app stale, image base; side up to date")
		r.write("base/f", "two")
		r.settle()
		r.built("base app")
		r.end()
	})
}
