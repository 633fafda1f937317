package daemon

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"rebuild/watch"
)

// Who waits hears nothing before the watcher has seen the marker and all is built, and
// leaves no marker behind.
func TestWait(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		r.built("base app side")
		w.set(func() { w.files["side/f"] = "two" }) // whose event comes late
		answers := make(chan Answer, 1)
		go func() {
			a, _ := r.client.Wait(t.Context())
			answers <- a
		}()
		r.settle()
		r.hearsNothing(answers)
		r.touch(full("side/f"))
		r.seeMarks()
		r.after(500 * time.Millisecond)
		r.hearsNothing(answers)
		r.shows("working; base up to date; app up to date; side building")
		r.settle()
		r.hears(answers, Rested)
		r.built("side")
		if left, err := os.ReadDir(r.marks); err != nil || len(left) > 0 {
			t.Errorf("%v are left, %v", left, err)
		}
		r.end()
	})
}

// A marker leads to a plan when somebody waits for it, and not when it goes; it is no
// change of files.
func TestMarkers(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		plannings := func() int { return locked(w, func() int { return len(w.plannings) }) }
		before := plannings()
		r.touch(r.marks + "/wait-of-nobody")
		r.settle()
		if n := plannings(); n != before {
			t.Errorf("planned %d times for a marker that nobody waits for", n-before)
		}
		answers := r.wait()
		r.settle()
		r.hears(answers, Rested)
		if n := plannings(); n != before+1 {
			t.Errorf("planned %d times for a marker", n-before)
		}

		// It does not end the leaving alone of what does not come to rest.
		r.built("base app side")
		r.write("side/f", "restless")
		r.settle()
		r.built("side side side")
		r.hears(waited(r), Rested, "side")
		r.built("")
		r.end()
	})
}

func waited(r *rig) <-chan Answer {
	answers := r.wait()
	r.settle()
	return answers
}

// A marker is also found when its folder is reported, or events were lost.
func TestMarkerWithoutAnEvent(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		for _, hint := range []watch.Batch{{Paths: []string{r.marks}}, {Lost: true}} {
			answers := make(chan Answer, 1)
			go func() {
				a, _ := r.client.Wait(t.Context())
				answers <- a
			}()
			synctest.Wait()
			w.hints <- watch.Batch{Paths: []string{full("side/f")}}
			r.settle()
			r.hearsNothing(answers)
			w.hints <- hint
			r.settle()
			r.hears(answers, Rested)
		}
		r.end()
	})
}

// A paused daemon begins nothing, and those who wait hear at once that it is paused.
func TestPause(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		r.built("base app side")
		r.write("base/f", "two")
		r.after(500 * time.Millisecond)
		waiting := r.wait()
		r.hearsNothing(waiting)
		if err := r.client.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.hears(waiting, RestPaused)
		r.settle() // what is built comes to its end
		r.built("base")
		r.shows("paused; base up to date; app stale; side up to date")
		if c := r.status().Images[1].Cause; c == nil || c.Reason.Image != "base" {
			t.Errorf("%+v", c)
		}
		r.hears(r.wait(), RestPaused)
		if err := r.client.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.write("side/f", "two")
		r.settle()
		r.built("")
		r.shows("paused; base up to date; app stale; side stale")
		if err := r.client.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.settle()
		r.built("app side")
		r.told("Paused{}", "Resumed{}")
		r.shows("up to date; base up to date; app up to date; side up to date")
		r.end()
	})
}

// What was there and gone again during a pause is not built, however long a planning takes
// that saw it.
func TestPauseDuringPlanning(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		r.built("base app side")
		w.set(func() { w.planTime = 2 * time.Second })
		r.write("side/f", "two")
		r.after(500 * time.Millisecond)
		if err := r.client.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.write("side/f", "one")
		if err := r.client.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.settle()
		r.built("")
		r.shows("up to date; base up to date; app up to date; side up to date")
		r.end()
	})
}

// Who waits hears that the daemon was stopped, also when it was before.
func TestWaitAndStop(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.after(500 * time.Millisecond)
		answers := r.wait()
		if err := r.client.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.over(); !errors.Is(err, ErrStopped) {
			t.Errorf("ended with %v", err)
		}
		r.hears(answers, Ended)
	})
	story(t, nil, func(t *testing.T, w *world) {
		ended := make(chan struct{})
		close(ended)
		s := &server{marks: t.TempDir(), loop: newLoop(w.options(), nil), ended: ended}
		l := newPipeListener()
		go serveOne(l, s.handler())
		if a, err := newClient("", l.dial).Wait(t.Context()); err != nil || a.Rest != Ended {
			t.Errorf("%+v, %v", a, err)
		}
		_, err := newClient("", l.dial).Status(t.Context())
		if !errors.Is(err, ErrEnded) {
			t.Errorf("the status: %v", err)
		}
		l.Close()
	})
}

// Who goes away while he waits is forgotten.
func TestWaiterGoes(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.after(500 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := r.client.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		r.settle()
		if left, err := os.ReadDir(r.marks); err != nil || len(left) > 0 {
			t.Errorf("%v are left, %v", left, err)
		}
		r.end()
	})
}

// Without a place for a marker nobody can tell what was saved before.
func TestNoPlaceForMarkers(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		if err := os.RemoveAll(r.marks); err != nil {
			t.Fatal(err)
		}
		a, err := r.client.Wait(t.Context())
		if err != nil || a.Rest != Unmarked || a.Error == "" {
			t.Errorf("%+v, %v", a, err)
		}
		r.end()
	})
}
