package daemon

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func commanded() []image {
	return []image{
		{name: "a", files: []string{"a/f"}, command: "run a"},
		{name: "b", files: []string{"b/f"}, command: "run b"},
		{name: "c", files: []string{"c/f"}},
	}
}

func (w *world) commandsAre(want string) {
	w.t.Helper()
	w.set(func() {
		if got := strings.Join(w.ran, ", "); got != want {
			w.t.Errorf("ran %q, want %q", got, want)
		}
		w.ran = nil
	})
}

// Commands run one at a time, in the order of the builds, also while others are built;
// one that failed harms nothing, and a build that failed has none.
func TestCommands(t *testing.T) {
	story(t, commanded(), func(t *testing.T, w *world) {
		w.commandTime = 90 * time.Second
		r := start(w)
		r.settle()
		r.built("a b c")
		w.commandsAre("run a")
		r.shows("up to date; a up to date; b up to date; c up to date")
		r.settle()
		w.commandsAre("run b")
		r.settle()
		r.settle()
		r.told("ran run a: <nil>", "ran run b: <nil>")

		w.set(func() { w.commandTime, w.commandFails = time.Second/2, errors.New("exit status 3") })
		r.write("a/f", "two")
		r.write("b/f", "fail")
		r.settle()
		w.commandsAre("run a")
		i := slices.IndexFunc(w.events, func(e Event) bool { _, ok := e.(CommandRan); return ok })
		e := w.events[i].(CommandRan)
		if c := e.Command; c.Image != "a" || c.ImageID != "id-a" || !slices.Equal(c.Tags, []string{"t/a"}) || e.Took != time.Second/2 || !slices.Equal(e.Output, []string{"said"}) {
			t.Errorf("%+v", e)
		}
		r.told("ran run a: exit status 3", "b failed: Dockerfile:2 RUN make")
		r.shows("failed; a up to date; b failed; c up to date")
		r.end()
	})
}

// A newer build of an image takes the place of one whose command waits.
func TestCommandThatWaitsIsReplaced(t *testing.T) {
	story(t, commanded(), func(t *testing.T, w *world) {
		w.commandTime = time.Hour
		r := start(w)
		r.settle()
		r.write("b/f", "two")
		r.settle()
		r.write("b/f", "three")
		r.settle()
		r.write("a/f", "two") // its first runs, so that the second waits
		r.settle()
		r.after(5 * time.Hour)
		w.commandsAre("run a, run b, run a")
		r.end()
	})
}

// A command ends with the daemon, and those that wait are not begun.
func TestCommandsEndWithTheDaemon(t *testing.T) {
	story(t, commanded(), func(t *testing.T, w *world) {
		w.commandTime = time.Hour
		r := start(w)
		r.settle()
		begun := time.Now()
		r.end()
		if took := time.Since(begun); took > time.Second {
			t.Errorf("the end took %s", took)
		}
		w.commandsAre("run a")
		r.told("ran run a: " + errEnough.Error())
	})
}

func TestNoCommands(t *testing.T) {
	story(t, commanded(), func(t *testing.T, w *world) {
		r := start(w, func(o *Options) { o.Command = nil })
		r.settle()
		r.built("a b c")
		r.told()
		r.end()
	})
}
