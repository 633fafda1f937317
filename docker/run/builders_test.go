package run_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rebuild/docker"
	"rebuild/docker/run"
)

// farm is several builders, which share the double's store.
type farm struct {
	*double
	ends map[string]time.Duration // when a builder goes away, since the farm was made
	why  error                    // what its builds end with; nil: it cannot be reached
	made time.Time

	mu     sync.Mutex // guards all below
	builds []farmBuild
}

// farmBuild is one build of a farm, in the order in which they were begun.
type farmBuild struct {
	image, builder string
	taken          []string // ancestors that came from a registry
	begun          time.Time
}

func newFarm(d *double) *farm {
	return &farm{double: d, ends: map[string]time.Duration{}, made: time.Now()}
}

// Build implements run.Builder.
func (f *farm) Build(ctx context.Context, req docker.Request) (*docker.Result, error) {
	b := farmBuild{image: req.Image.Name, builder: req.Builder, begun: time.Now()}
	for _, a := range req.Ancestors {
		if a.Taken != "" {
			b.taken = append(b.taken, a.Taken)
		}
	}
	f.mu.Lock()
	f.builds = append(f.builds, b)
	f.mu.Unlock()
	end, mortal := f.ends[req.Builder]
	if !mortal {
		return f.pushed(f.double.Build(ctx, req))(req)
	}
	living, die := context.WithDeadline(ctx, f.made.Add(end))
	defer die()
	res, err := f.double.Build(living, req)
	if ctx.Err() == nil && living.Err() != nil {
		if f.why != nil {
			return nil, f.why
		}
		return nil, &docker.Unreachable{Host: req.Builder, Cause: errors.New("connection lost"), Builder: true}
	}
	return f.pushed(res, err)(req)
}

func (f *farm) pushed(res *docker.Result, err error) func(docker.Request) (*docker.Result, error) {
	return func(req docker.Request) (*docker.Result, error) {
		if err == nil && req.Push {
			res.Pushed = "registry/" + req.Image.Name + "@" + res.ImageID
		}
		return res, err
	}
}

// on are the builders on which an image was begun.
func (f *farm) on(image string) []string {
	var list []string
	for _, b := range f.builds {
		if b.image == image {
			list = append(list, b.builder)
		}
	}
	return list
}

// spread runs a bed on these builders, each with one slot.
func (f *farm) spread(b *bed, push bool, builders ...string) (*run.Report, error) {
	j := b.job()
	j.Builders = builders
	request := j.Request
	j.Request = func(ctx context.Context, name string) (docker.Request, error) {
		req, err := request(ctx, name)
		for parent := range parents(b.files[name]) {
			if slices.Contains(b.names, parent) {
				im, _ := j.States.Catalog.Image(parent)
				req.Ancestors = append(req.Ancestors, docker.Request{Image: im})
			}
		}
		return req, err
	}
	return b.run(b.t.Context(), j, func(r *run.Run) { r.Builder, r.Slots, r.Push = f, 1, push })
}

// twelve are images of 3 s that have nothing to do with each other.
func twelve(t *testing.T) *bed {
	var files []string
	for i := range 12 {
		files = append(files, fmt.Sprint("i", i), fmt.Sprintf("RUN i%d 3s", i))
	}
	return newBed(t, files...)
}

func TestBuildersShareTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := twelve(t)
		f := newFarm(b.double)
		report, err := f.spread(b, false, "a", "b")
		if took := time.Since(f.made); err != nil || report.Count(run.Built) != 12 || took != 18*time.Second {
			t.Errorf("%v, %d built in %s", err, report.Count(run.Built), took)
		}
		for _, name := range b.names {
			rec, _ := b.records.Load(name)
			if o := report.Outcome(name); o.Builder == "" || rec.Builder != o.Builder {
				t.Errorf("%s was built on %q, its record says %q", name, o.Builder, rec.Builder)
			}
		}
	})
}

// A builder that goes away, or fills up, in the middle: what it was building is built by the
// other, and nothing else a second time.
func TestBuilderEnds(t *testing.T) {
	for name, why := range map[string]error{
		"it goes away": nil,
		"it is full":   &docker.BuildFailure{Image: "x", Cause: errors.New("commit failed: no space left on device")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := twelve(t)
				f := newFarm(b.double)
				f.ends["b"], f.why = 7*time.Second, why
				report, err := f.spread(b, false, "a", "b")
				if err != nil || report.Count(run.Built) != 12 || report.Count(run.Moved) != 1 || len(report.Lost) != 1 || report.Lost[0].Builder != "b" {
					t.Errorf("%v, %d built, %d moved, lost %v", err, report.Count(run.Built), report.Count(run.Moved), report.Lost)
				}
				if len(f.builds) != 13 {
					t.Errorf("%d builds of 12 images", len(f.builds))
				}
				b.current(b.names...)
			})
		})
	}
}

// An image that no builder can build fails after two of them; others are not held up.
func TestBuildersFailAnImage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "bad", "RUN bad 1s", "good", "RUN good 5s", "child", "FROM bad\nRUN child 1s")
		b.double.fails["bad"] = &docker.BuildFailure{Image: "bad", Cause: &docker.Unrunnable{Platform: "linux/arm64"}}
		f := newFarm(b.double)
		report, err := f.spread(b, false, "a", "b")
		if err != nil || report.Outcome("bad").Status != run.Failed || report.Outcome("child").Status != run.Skipped || report.Outcome("good").Status != run.Built {
			t.Errorf("%v %q", err, b.outcomes)
		}
		if on := f.on("bad"); len(on) != 2 || on[0] == on[1] || len(report.Lost) > 0 {
			t.Errorf("it was begun on %q, lost %v", on, report.Lost)
		}
	})
}

// A step that fails is nobody's fault but its own.
func TestBuildersDoNotMoveFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "bad", "RUN bad 1s fail")
		f := newFarm(b.double)
		if report, err := f.spread(b, false, "a", "b"); err != nil || report.Count(run.Failed) != 1 || len(f.builds) != 1 {
			t.Errorf("%v %q, %d builds", err, b.outcomes, len(f.builds))
		}
	})
}

func TestAllBuildersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := twelve(t)
		f := newFarm(b.double)
		f.ends["a"], f.ends["b"] = 4*time.Second, 8*time.Second
		report, err := f.spread(b, false, "a", "b")
		var gone *docker.Unreachable
		if !errors.As(err, &gone) || gone.Host != "b" || report.Count(run.Built) == 0 || len(report.Lost) != 2 {
			t.Errorf("%v, %d built, lost %v", err, report.Count(run.Built), report.Lost)
		}
	})
}

// When all of them are full, the run says so, and does not skip the rest without a word.
func TestAllBuildersAreFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := twelve(t)
		f := newFarm(b.double)
		f.ends["a"], f.ends["b"] = 4*time.Second, 8*time.Second
		f.why = &docker.BuildFailure{Image: "x", Cause: errors.New("commit failed: no space left on device")}
		_, err := f.spread(b, false, "a", "b")
		var gone *docker.Unreachable
		if !errors.As(err, &gone) || gone.Hint == "" || !strings.Contains(err.Error(), "no builder is left: a: its disk is full; b: its disk is full") {
			t.Errorf("%v", err)
		}
	})
}

// Random repositories on builders of which one may go away: all is built, and on what its
// parents are; what is not pushed is never needed elsewhere while its builder is there.
func TestBuildersReachParents(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for i := range uint64(150) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, i))
			b := randomBed(t, r)
			f := newFarm(b.double)
			push := r.IntN(2) == 0
			if r.IntN(2) == 0 {
				f.ends["b"] = duration(r)
			}
			report, err := f.spread(b, push, "a", "b", "c")
			if err != nil || report.Count(run.Built) != len(b.names) {
				t.Fatalf("run %d: %v %q", i, err, b.outcomes)
			}
			b.current(b.names...)
			for _, build := range f.builds {
				for parent := range parents(b.files[build.image]) {
					at := f.on(parent)
					last := at[len(at)-1]
					taken := slices.ContainsFunc(build.taken, func(from string) bool { return strings.HasPrefix(from, "registry/"+parent+"@") })
					switch {
					case taken != (push && last != build.builder):
						t.Fatalf("run %d: %s on %s, its parent %s on %s, taken: %t", i, build.image, build.builder, parent, last, taken)
					case !push && last != build.builder && !slices.ContainsFunc(report.Lost, func(l run.Lost) bool { return l.Builder == last }):
						t.Fatalf("run %d: %s is begun on %s, its parent %s is on %s alone", i, build.image, build.builder, parent, last)
					}
				}
			}
			f.builds = nil
			before := len(b.names)
			for _, name := range b.names[:1+r.IntN(before)] {
				b.files[name] += "RUN more-" + name + " 2s\n"
			}
			delete(f.ends, "b")
			if report, err = f.spread(b, push, "c", "b", "a"); err != nil || report.Count(run.Failed) > 0 {
				t.Fatalf("run %d, again: %v %q", i, err, b.outcomes)
			}
			b.current(b.names...)
		})
	}
}
