package daemon

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rebuild/docker"
	"rebuild/docker/run"
	"rebuild/impact"
	"rebuild/watch"
)

// silent is a watcher whose folders never change.
func silent(ctx context.Context, folders <-chan []string, batches chan<- watch.Batch, _ func(watch.Mode)) error {
	defer close(batches)
	for {
		select {
		case <-folders:
		case <-ctx.Done():
			return nil
		}
	}
}

// A daemon ends at once, whatever it is at, and gives up all that it held (see
// rig.over).
func TestEndAtEachState(t *testing.T) {
	for name, reach := range map[string]func(w *world, r *rig) string{
		"planning": func(w *world, r *rig) string {
			r.after(time.Second)
			return "working"
		},
		"planning again": func(w *world, r *rig) string {
			r.settle()
			w.set(func() { w.planTime = time.Hour })
			r.write("side/f", "two")
			r.after(time.Second)
			return "working; base up to date; app up to date; side up to date"
		},
		"building": func(w *world, r *rig) string {
			r.after(500 * time.Millisecond)
			return "working; base building; app queued; side queued"
		},
		"building and planning": func(w *world, r *rig) string {
			r.after(500 * time.Millisecond)
			w.set(func() { w.planTime = time.Hour })
			r.write("side/f", "two")
			r.after(100 * time.Millisecond)
			return "working; base building; app queued; side queued"
		},
		"building a newer job": func(w *world, r *rig) string {
			w.set(func() { w.supersede = false })
			r.after(500 * time.Millisecond)
			r.write("side/f", "two")
			r.after(200 * time.Millisecond)
			return "working; base building; app queued; side queued"
		},
		"saving": func(w *world, r *rig) string {
			w.set(func() { w.saveTime = time.Second })
			r.after(500 * time.Millisecond)
			return "working; base building; app queued; side queued"
		},
		"waiting for the lock": func(w *world, r *rig) string {
			w.set(func() { w.lockFree = make(chan struct{}) })
			r.settle()
			return "working; base queued; app queued; side queued"
		},
		"idle": func(w *world, r *rig) string {
			r.settle()
			return "up to date; base up to date; app up to date; side up to date"
		},
		"paused": func(w *world, r *rig) string {
			if err := r.client.Pause(r.t.Context()); err != nil {
				r.t.Fatal(err)
			}
			r.settle()
			return "paused; base stale; app stale; side stale"
		},
		"engine away": func(w *world, r *rig) string {
			w.set(func() { w.down = true })
			r.settle()
			return "waiting for the engine"
		},
		"stuck": func(w *world, r *rig) string {
			w.set(func() { w.runError = errors.New("no space") })
			r.settle()
			return "failed; base queued; app queued; side queued"
		},
		"broken": func(w *world, r *rig) string {
			r.settle()
			return "failed"
		},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, three(), func(t *testing.T, w *world) {
				switch name { // what the first planning sees
				case "planning":
					w.planTime = time.Hour
				case "broken":
					w.broken = "half typed"
				}
				r := start(w)
				r.shows(reach(w, r))
				w.set(func() { w.events = nil })
				begun := time.Now()
				if err := r.end(); err != errEnough {
					t.Errorf("ended with %v", err)
				}
				if took := time.Since(begun); took > 2*time.Second {
					t.Errorf("the end took %s", took)
				}
				r.told() // it is nobody's failure
			})
		})
	}
}

// A check that fails ends the daemon, with its error.
func TestCheck(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		gone := errors.New("the repository is gone")
		w.set(func() { w.gone = gone })
		if err := r.over(); err != gone {
			t.Errorf("ended with %v", err)
		}
	})
}

// Idle is called once each time that the daemon comes to rest.
func TestIdle(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		idles := func(want int) {
			t.Helper()
			if n := locked(w, func() int { return w.idles }); n != want {
				t.Errorf("it came to rest %d times, want %d", n, want)
			}
		}
		r.settle()
		r.settle()
		idles(1)
		r.write("side/f", "two")
		r.settle()
		r.settle()
		idles(2)
		r.end()
	})
}

// What ends one of its parts ends the daemon.
func TestPartsThatFail(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.settle()
		w.watchFail <- errors.New("no more watches")
		if err := r.over(); err.Error() != "no more watches" {
			t.Errorf("ended with %v", err)
		}
	})
	story(t, three(), func(t *testing.T, w *world) {
		l := newPipeListener()
		r := start(w, func(o *Options) { o.Listener = l })
		r.settle()
		l.Close()
		if err := r.over(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("ended with %v", err)
		}
	})
	story(t, three(), func(t *testing.T, w *world) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		r := start(w, func(o *Options) { o.Marks = filepath.Join(file, "marks") })
		if err := <-r.ended; err == nil || !strings.HasPrefix(err.Error(), "markers: ") {
			t.Errorf("ended with %v", err)
		}
		if _, err := r.client.Status(t.Context()); err == nil {
			t.Error("it answers")
		}
	})
}

// With nothing but a planner and a watcher it works, and markers of the daemon before
// are taken away.
func TestZeroOptions(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		marks := filepath.Join(t.TempDir(), "marks")
		if err := os.MkdirAll(filepath.Join(marks, "wait-1"), 0o755); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancelCause(t.Context())
		r := &rig{world: w, stop: stop, ended: make(chan error, 1)}
		go func() { r.ended <- Run(ctx, Options{Marks: marks, Plan: w.plan, Watch: silent}) }()
		r.settle()
		r.built("base app side")
		if left, err := os.ReadDir(marks); err != nil || len(left) > 0 {
			t.Errorf("%v are left, %v", left, err)
		}
		r.end()
	})
}

// The live view may ask for the status until the end.
func TestView(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		var seen []State
		r := start(w, func(o *Options) {
			o.View = func(ctx context.Context, status func(context.Context) (Status, bool)) {
				for {
					s, ok := status(ctx)
					if !ok {
						return
					}
					w.set(func() { seen = append(seen, s.State) })
					time.Sleep(10 * time.Second)
				}
			}
		})
		r.settle()
		r.end()
		synctest.Wait()
		if len(seen) < 6 || seen[0] != Working || seen[2] != UpToDate {
			t.Errorf("seen %q", seen)
		}
	})
}

// A status names the layer that is being built, how long it took, and what is left.
func TestStatusOfABuild(t *testing.T) {
	story(t, three(), func(t *testing.T, w *world) {
		r := start(w)
		r.after(510 * time.Millisecond)
		s := r.status()
		if s.Version != 1 || s.PID != 7 || s.Root != root || s.Started.IsZero() {
			t.Errorf("%+v", s)
		}
		im := s.Images[0]
		if im.Elapsed != 0.5 || im.Left == nil || *im.Left != 1.5 || im.Cause == nil || im.Built != nil {
			t.Errorf("%+v", im)
		}
		if c := im.Cause; c.Reason.Path != "base/f" || c.Layer == nil || c.Layer.Line != 2 || c.More != 0 {
			t.Errorf("%+v", c)
		}
		r.settle()
		r.end()
		second := start(w)
		second.settle()
		if im := second.status().Images[0]; im.Built == nil || !im.Built.Equal(w.records["base"].at) {
			t.Errorf("%+v", im.Built)
		}
		second.end()
	})
}

func TestRunningLayer(t *testing.T) {
	ip := &impact.ImagePlan{Layers: []impact.LayerPlan{{Name: "[1/2] COPY", Dockerfile: "D", Line: 3, Instruction: "COPY . ."}}}
	for name, want := range map[string]Layer{
		"[1/2] COPY":         {File: "D", Line: 3, Instruction: "COPY . ."},
		"exporting to image": {Instruction: "exporting to image"},
	} {
		if got := run.RunningLayer(ip, stepLog(name)); got == nil || *got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if got := run.RunningLayer(ip, docker.NewStepLog()); got != nil {
		t.Errorf("%+v where nothing runs", got)
	}
}

func TestNewFailure(t *testing.T) {
	ip := &impact.ImagePlan{Layers: []impact.LayerPlan{{Name: "[2/2] RUN", Instruction: "RUN make"}}}
	build := &docker.BuildFailure{Dockerfile: "D", Step: "[2/2] RUN", LogFile: "/log", Cause: errors.New("exit\n1")}
	for _, c := range []struct {
		ip   *impact.ImagePlan
		err  error
		want Failure
	}{
		{ip, build, Failure{File: "D", What: "RUN make", Cause: "exit 1", LogFile: "/log"}},
		{nil, build, Failure{File: "D", What: "[2/2] RUN", Cause: "exit 1", LogFile: "/log"}},
		{ip, &impact.Fault{Path: "D", Line: 2, Cause: "bad"}, Failure{File: "D", Line: 2, What: "bad"}},
		{ip, errors.New("no\nspace"), Failure{What: "no space"}},
	} {
		got := run.Outcome{Err: c.err}.Failure(c.ip)
		if got.File != c.want.File || got.Line != c.want.Line || got.What != c.want.What || got.Cause != c.want.Cause || got.LogFile != c.want.LogFile {
			t.Errorf("%v: %+v, want %+v", c.err, got, c.want)
		}
	}
}
