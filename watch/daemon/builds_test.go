package daemon

import (
	"errors"
	"testing"
	"time"

	"rebuild/watch"
)

// A newer change is given to the run that is under way: it stops the build that is
// useless now, and the new state is built by the same run.
func TestNewerJobIsGivenToTheRun(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.after(500 * time.Millisecond) // base is being built
		r.write("base/f", "two")
		r.after(100 * time.Millisecond)
		r.told("Superseded{base}")
		r.shows("working; base building; app queued; side queued")
		r.settle()
		r.built("base base app side")
		r.shows("up to date; base up to date; app up to date; side up to date")
		if text := w.records["base"].text; text != "two\n" {
			t.Errorf("base was built of %q", text)
		}
		r.end()
	})
}

// A build that is of use goes on; the newer state is built after it, by the same run,
// and what is not begun is built once.
func TestNewerJobAfterTheBuild(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		w.supersede = false
		r := start(w)
		r.after(500 * time.Millisecond)
		r.write("base/f", "two")
		r.write("side/f", "two")
		r.settle()
		r.built("base base app side")
		r.told()
		r.shows("up to date; base up to date; app up to date; side up to date")
		r.end()
	})
}

// A change back to what the run was given first, and one that makes it needless.
func TestChangeThereAndBackDuringARun(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		r.built("base app side")
		r.write("side/f", "two")
		r.after(500 * time.Millisecond)
		r.shows("working; base up to date; app up to date; side building")
		r.write("side/f", "one") // as it was built
		r.settle()
		r.built("side")
		r.told("Superseded{side}")
		r.shows("up to date; base up to date; app up to date; side up to date")
		r.end()
	})
}

// What comes during a planning leads to another one.
func TestBatchDuringAPlanning(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		r.built("base app side")
		w.set(func() { w.planTime = 10 * time.Second })
		r.touch(full("side/f")) // which leads to no build, so that nothing else calls for a planning
		r.after(5 * time.Second)
		r.write("base/f", "two") // the planning has read it
		r.shows("working; base up to date; app up to date; side up to date")
		r.settle()
		r.built("base app")
		r.shows("up to date; base up to date; app up to date; side up to date")
		r.end()
	})
}

// A file that is edited while it is built is built again, however that came out.
func TestEditDuringABuild(t *testing.T) {
	for _, text := range []string{"two", "fail"} {
		story(t, three(), func(t *testing.T, w *world) {
			w.planTime = time.Second
			r := start(w)
			r.settle()
			r.built("base app side")
			r.write("side/f", text)
			r.after(1500 * time.Millisecond)
			w.set(func() { w.planTime = 10 * time.Second }) // longer than the build
			r.write("side/f", "three")
			r.after(time.Second)
			r.shows("working; base up to date; app up to date; " + map[string]string{"two": "side up to date", "fail": "side queued"}[text])
			r.settle()
			r.built("side side")
			r.shows("up to date; base up to date; app up to date; side up to date")
			r.end()
		})
	}
}

// A planning that began before a run ended does not know what that built: it is
// planned anew, and nothing is built twice.
func TestPlanningThatARunOutdates(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		r.built("base app side")
		r.write("side/f", "two")
		r.after(500 * time.Millisecond)
		w.set(func() { w.planTime = 3 * time.Second }) // over the end of the run
		r.touch(full("side/f"))
		r.after(2 * time.Second)
		r.shows("working; base up to date; app up to date; side up to date")
		r.settle()
		r.built("side")
		if n := locked(w, func() int { return w.runs }); n != 2 {
			t.Errorf("%d runs", n)
		}
		r.shows("up to date; base up to date; app up to date; side up to date")
		r.end()
	})
}

// An image whose builds never bring it up to date is left alone after a few, until
// something happens.
func TestRestlessImage(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		r.built("base app side")
		r.write("side/f", "restless")
		r.settle()
		r.built("side side side")
		r.shows("up to date; base up to date; app up to date; side stale, restless")
		answers := r.wait()
		r.settle()
		r.hears(answers, Rested, "side")
		r.built("")
		r.write("side/f", "restless now")
		r.settle()
		r.built("side side side")
		r.write("side/f", "quiet")
		r.settle()
		r.built("side")
		r.shows("up to date; base up to date; app up to date; side up to date")
		r.end()
	})
}

// Files that cannot be told from edited ones make a failed build be tried again, but
// not for ever.
func TestRestlessFailure(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		r.built("base app side")
		w.set(func() { w.written["side/f"] = time.Now().Add(time.Hour) }) // always just edited
		w.set(func() { w.files["side/f"] = "fail" })
		r.touch(full("side/f"))
		r.settle()
		r.built("side side side")
		r.shows("failed; base up to date; app up to date; side failed")
		r.end()
	})
}

// Another run that has the lock may build everything: nothing is built when it is
// done, but what it left is.
func TestWaitsForTheLock(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		free := make(chan struct{})
		w.lockFree, w.holder = free, Holder{PID: 42}
		r := start(w)
		r.settle()
		r.told("waits for process 42")
		r.shows("working; base queued; app queued; side queued")
		w.set(func() { // the other run builds side
			w.records["side"] = built{text: "one\n", state: stateOf(w, "side"), at: time.Now()}
			w.lockFree = nil
		})
		close(free)
		r.settle()
		r.built("base app")
		r.told()
		r.shows("up to date; base up to date; app up to date; side up to date")
		r.end()
	})
}

// A run that cannot begin is tried again, less and less often, told once, and ends for
// those who wait; when nothing is left to do it is forgotten.
func TestRunThatCannotBegin(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		r.built("base app side")
		w.set(func() { w.runError = errors.New("records: no space") })
		r.write("side/f", "two")
		r.settle()
		r.told("run: records: no space")
		s := r.status()
		if s.State != Failing || s.Error != "records: no space" {
			t.Errorf("%+v", s)
		}
		answers := r.wait()
		r.settle()
		if a := r.hears(answers, RestStuck); a.Error != "records: no space" {
			t.Errorf("%+v", a)
		}
		w.set(func() { w.runError = errors.New("records: damaged") })
		r.settle()
		r.told("run: records: damaged")
		r.write("side/f", "one") // there is nothing to build any more
		r.settle()
		r.shows("up to date; base up to date; app up to date; side up to date")
		r.write("side/f", "two")
		r.settle()
		w.set(func() { w.runError = nil })
		r.settle()
		r.built("side")
		r.shows("up to date; base up to date; app up to date; side up to date")
		r.end()
	})
}

// Lost events have everything looked at.
func TestLostEvents(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		r.built("base app side")
		w.set(func() { w.files["side/f"] = "two" })
		r.settle()
		r.built("") // nobody has told
		w.hints <- watch.Batch{Lost: true}
		r.settle()
		r.built("side")
		r.told("EventsLost{}")
		r.end()
	})
}

// Warnings are told once, until they have gone and come back; what a run warns of has
// nothing to do with what a planning does.
func TestWarnings(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		w.warns = []string{"a", "b", "a"}
		r := start(w)
		r.settle()
		r.told("Warning{a}", "Warning{b}")
		w.set(func() { w.warns, w.runWarns = []string{"b"}, []string{"a"} })
		r.write("side/f", "two")
		r.settle()
		r.told("Warning{a}")
		w.set(func() { w.warns = []string{"b", "a"} })
		r.write("side/f", "three")
		r.settle()
		r.told("Warning{a}")
		r.end()
	})
}
