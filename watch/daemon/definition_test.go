package daemon

import (
	"slices"
	"testing"
	"time"

	"rebuild/watch"
)

// While the definition cannot be read, the last one that could counts; each cause is
// told once.
func TestBrokenDefinition(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		r.built("base app side")
		w.set(func() { w.broken = "half typed" })
		r.touch(root)
		r.settle()
		r.write("side/f", "two")
		r.settle()
		r.built("side")
		r.told("broken: rebuild.yaml:1: half typed, uses old: true")
		answers := r.wait()
		r.settle()
		if a := r.hears(answers, Rested); a.Error != "rebuild.yaml:1: half typed" {
			t.Errorf("%+v", a)
		}
		w.set(func() { w.broken = "typed differently" })
		r.touch(root)
		r.settle()
		r.told("broken: rebuild.yaml:1: typed differently, uses old: true")
		w.set(func() { w.broken = "" })
		r.touch(root)
		r.settle()
		r.told("read again")
		r.shows("up to date; base up to date; app up to date; side up to date")
		r.end()
	})
}

// One that is broken at the start leaves nothing to build; who waits hears of it.
func TestDefinitionBrokenAtTheStart(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		w.broken = "half typed"
		r := start(w)
		r.settle()
		r.built("")
		answers := r.wait()
		r.settle()
		if a := r.hears(answers, Rested); a.Error != "rebuild.yaml:1: half typed" {
			t.Errorf("%+v", a)
		}
		if s := r.status(); s.State != Failing || s.Error != "rebuild.yaml:1: half typed" {
			t.Errorf("%+v", s)
		}
		w.set(func() { w.broken = "" })
		r.touch(root)
		r.settle()
		r.told("broken: rebuild.yaml:1: half typed, uses old: false", "read again")
		r.built("base app side")
		r.end()
	})
}

// A planning that failed before it read anything is made again without an event.
func TestPlanningThatReadsNothing(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		w.cannot = "git: out of memory"
		r := start(w)
		r.settle()
		r.told("broken: git: out of memory, uses old: false")
		w.set(func() { w.cannot = "" })
		r.settle()
		r.told("read again")
		r.built("base app side")
		r.end()
	})
}

// A planning in the middle of a write is made again, and told to nobody.
func TestUnsettledPlanning(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		w.unsettled, w.warns = 3, []string{"a"}
		r := start(w)
		r.after(35 * time.Millisecond)
		r.told()
		r.settle()
		r.told("Warning{a}")
		r.built("base app side")
		r.end()
	})
}

// What plannings read is watched, and the markers always; one that failed takes no
// folder away.
func TestFoldersAreWatched(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		last := func() []string { return locked(w, func() []string { return w.sets[len(w.sets)-1] }) }
		if want := []string{r.marks, root, "/r/app", "/r/base", "/r/side"}; !slices.Equal(last(), want) {
			t.Errorf("watched %q, want %q", last(), want)
		}
		if s := r.status(); s.Watching != (WatchStatus{Mode: "events", Folders: 5}) {
			t.Errorf("%+v", s.Watching)
		}
		w.set(func() { w.cannot = "git: out of memory" })
		r.write("side/f", "two")
		r.after(time.Second)
		if n := len(last()); n != 5 {
			t.Errorf("%d folders are watched", n)
		}
		w.set(func() {
			w.cannot = ""
			w.images = w.images[:2]
			delete(w.files, "side/f")
		})
		r.settle()
		if want := []string{r.marks, root, "/r/app", "/r/base"}; !slices.Equal(last(), want) {
			t.Errorf("watched %q, want %q", last(), want)
		}
		r.end()
	})
}

func TestPolling(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		w.polling = "NFS"
		r := start(w)
		r.settle()
		if s := r.status(); s.Watching != (WatchStatus{Mode: "polling", Why: "NFS", Folders: 5}) {
			t.Errorf("%+v", s.Watching)
		}
		if !slices.Contains(w.events, Event(Watching{watch.Mode{Polling: true, Why: "NFS", Folders: 5}})) {
			t.Errorf("told %+v", w.events)
		}
		r.end()
	})
}
