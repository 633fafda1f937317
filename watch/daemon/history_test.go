package daemon

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rebuild/docker/record"
	"rebuild/docker/run"
	"rebuild/impact"
	"rebuild/watch"
)

var histories = flag.Int("histories", 100, "how many random histories are lived through")

// historySteps is how many things happen in each.
const historySteps = 40

// Whatever happens to files, the definition, the engine, the lock and the watcher: in the
// end every image is up to date or says why not, what waiters hear is so, nothing was
// built twice without a cause, and each planning was given up once.
func TestHistories(t *testing.T) {
	images := []image{
		{name: "base", files: []string{"base/f", "shared/f"}},
		{name: "lib", files: []string{"lib/f"}, phase: 1, critical: true},
		{name: "app", files: []string{"app/f"}, parents: []string{"base"}, phase: 2, command: "run app"},
		{name: "top", files: []string{"top/f", "shared/f"}, parents: []string{"app", "lib"}, phase: 3},
		{name: "side", files: []string{"side/f"}, phase: 2},
	}
	for seed := range uint64(*histories) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			story(t, images, func(t *testing.T, w *world) {
				h := &history{rand: rand.New(rand.NewPCG(seed, 1))}
				w.onBuilt = func(b buildLog) {
					h.note("  %s %s of %q, state %.6s, edited: %v", b.image, b.status, b.text, strings.TrimPrefix(string(b.state), "sha256:"), b.edited)
				}
				h.rig = start(w)
				for range historySteps {
					h.step()
				}
				h.rest()
				h.judge()
				h.end()
				h.noneTwice()
				if t.Failed() {
					t.Logf("the history:\n%s", strings.Join(h.steps, "\n"))
				}
			})
		})
	}
}

type history struct {
	*rig
	rand *rand.Rand

	noting sync.Mutex
	steps  []string // guarded by noting
}

func (h *history) note(format string, args ...any) {
	h.noting.Lock()
	defer h.noting.Unlock()
	h.steps = append(h.steps, time.Now().Format("04:05.000 ")+fmt.Sprintf(format, args...))
}

// step has something happen, and some time pass.
func (h *history) step() {
	switch n := h.rand.IntN(24); {
	case n < 10:
		h.edit()
	case n < 11:
		h.note("the definition breaks")
		h.set(func() { h.broken = fmt.Sprint("half typed ", h.rand.IntN(2)) })
		h.touch(root)
	case n < 13:
		h.note("the definition is mended")
		h.set(func() { h.broken = "" })
		h.touch(root)
	case n < 14:
		h.note("the engine goes")
		h.set(func() { h.down = true })
	case n < 16:
		h.note("the engine comes")
		h.set(func() { h.down = false })
	case n < 17:
		h.note("events are lost")
		h.set(func() { h.change() })
		h.hints <- watch.Batch{Lost: true}
	case n < 18:
		h.note("a planning finds a file that is being written")
		h.set(func() { h.unsettled = h.rand.IntN(3) })
	case n < 19:
		h.pause(h.rand.IntN(3) == 0)
	case n < 20:
		h.note("another run takes the lock")
		h.set(func() {
			if h.lockFree == nil {
				h.lockFree = make(chan struct{})
			}
		})
	case n < 21:
		h.freeLock()
	case n < 22:
		h.note("no run can begin, or it can again")
		h.set(func() {
			if h.runError = nil; h.rand.IntN(2) == 0 {
				h.runError = errors.New("no space")
			}
		})
	case n < 23:
		h.note("the pace is another one")
		h.set(func() {
			h.planTime = time.Duration(h.rand.IntN(1500)) * time.Millisecond
			h.buildTime = time.Duration(1+h.rand.IntN(1500)) * time.Millisecond
			h.saveTime = time.Duration(h.rand.IntN(500)) * time.Millisecond
			h.supersede = h.rand.IntN(2) == 0
		})
	}
	h.after([]time.Duration{0, time.Millisecond, 10 * time.Millisecond, 300 * time.Millisecond, time.Second, 5 * time.Second}[h.rand.IntN(6)])
}

func (h *history) edit() {
	var file string
	h.set(func() { file = h.change() })
	h.touch(full(file))
}

// change writes another text to a file; it is called with the lock.
func (h *history) change() string {
	files := []string{"base/f", "shared/f", "lib/f", "app/f", "top/f", "side/f"}
	texts := []string{"one", "two", "two#comment", "three", "fail", "fail differently", "fault"}
	file, text := files[h.rand.IntN(len(files))], texts[h.rand.IntN(len(texts))]
	h.note("%s: %q", file, text)
	h.files[file], h.written[file] = text, time.Now()
	return file
}

func (h *history) pause(on bool) {
	do := h.client.Resume
	if on {
		do = h.client.Pause
	}
	h.note("paused: %v", on)
	if err := do(h.t.Context()); err != nil {
		h.t.Error(err)
	}
}

func (h *history) freeLock() {
	h.note("the lock is free")
	h.set(func() {
		if h.lockFree != nil {
			close(h.lockFree)
			h.lockFree = nil
		}
	})
}

// rest takes all that is in the way of the daemon away, and lets it come to rest.
func (h *history) rest() {
	broken := locked(h.world, func() bool { return h.broken != "" })
	h.set(func() { h.down, h.broken, h.runError, h.unsettled, h.planTime = false, "", nil, 0, 10*time.Millisecond })
	h.pause(false)
	h.freeLock()
	if broken {
		h.touch(root)
	}
	h.settle()
}

// judge holds what the daemon says against what is so.
func (h *history) judge() {
	h.t.Helper()
	s := h.status()
	var bad []string
	failed := false
	for _, im := range s.Images {
		text := locked(h.world, func() string { return h.text(h.image(im.Name)) })
		rec := locked(h.world, func() built { return h.records[im.Name] })
		hopeless := strings.Contains(text, "fail") || strings.Contains(text, "fault")
		failed = failed || im.State == ImageFailed
		if im.State != ImageUpToDate {
			bad = append(bad, im.Name)
		}
		switch {
		case im.State == ImageUpToDate && !hopeless:
			if want := locked(h.world, func() impact.Digest { return stateOf(h.world, im.Name) }); rec.state != want || rec.text != text {
				h.t.Errorf("%s is not up to date: it was built of %q, and is %q", im.Name, rec.text, text)
			}
			for parent, out := range rec.parents {
				if now := locked(h.world, func() impact.Digest { return h.records[parent].output }); now != out {
					h.t.Errorf("%s is not up to date: it stands on another %s", im.Name, parent)
				}
			}
		case im.State == ImageFailed && hopeless:
		case im.State == ImageStale && im.Waits != nil && slices.Contains(bad, im.Waits.For):
		case im.State == ImageStale && im.Waits != nil && im.Waits.Kind == WaitsForCritical && im.Waits.For == "lib":
		default:
			h.t.Errorf("%s, which holds %q, is %s: %+v", im.Name, text, im.State, im.Waits)
		}
	}
	want := UpToDate
	if failed {
		want = Failing
	}
	if s.State != want || len(s.Images) != len(h.images) {
		h.t.Errorf("the status is %s, want %s", statusText(s), want)
	}
	answers := h.wait()
	h.settle()
	h.hears(answers, Rested, bad...)
}

// noneTwice looks for builds that had no cause: an image that is built of what it was
// built of before, or that failed and is tried again with nothing changed.
func (h *history) noneTwice() {
	last := map[string]buildLog{}
	for _, b := range h.log {
		l, known := last[b.image]
		same := known && l.state == b.state && !l.edited
		if b.status == run.Failed { // what was changed there and back is tried again
			same = same && !b.touched.After(l.at)
		}
		for parent, out := range b.parents {
			same = same && l.parents[parent] == out
		}
		if same && l.status == b.status && b.status != run.Superseded {
			h.t.Errorf("%s was built twice in a row from one state (%s): %s", b.image, b.status, record.StateDigest(&impact.State{Output: b.state}))
		}
		last[b.image] = b
	}
}
