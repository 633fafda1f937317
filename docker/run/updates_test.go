package run_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"rebuild/docker"
	"rebuild/docker/run"
	"rebuild/impact"
)

// then changes the repository while a run is under way, and gives the run the job that
// comes of it.
type then struct {
	after time.Duration
	do    func(b *bed) // nil: the repository as it is
}

// follow runs, with newer jobs at their times; last is the job that it took last.
func (b *bed) follow(ctx context.Context, changes []then, adapt ...func(*run.Run)) (report *run.Report, last run.Job, err error) {
	b.t.Helper()
	last = b.job()
	updates, ended := make(chan run.Job), make(chan struct{})
	sent := make(chan struct{})
	first := last
	go func() {
		defer close(sent)
		begun := time.Now()
		for _, c := range changes {
			timer := time.NewTimer(c.after - time.Since(begun))
			select {
			case <-timer.C:
			case <-ended:
				timer.Stop()
				return
			}
			if c.do != nil {
				c.do(b)
			}
			j := b.job()
			select {
			case updates <- j:
				last = j
			case <-ended:
				return
			}
		}
	}()
	report, err = b.run(ctx, first, append(adapt, func(r *run.Run) { r.Updates = updates })...)
	close(ended)
	<-sent
	return report, last, err
}

// write gives an image another Dockerfile.
func write(image, text string) func(*bed) { return func(b *bed) { b.files[image] = text } }

// A newer job takes the place of what is not yet begun; a build that runs goes on as
// long as what it does is of use.
func TestUpdates(t *testing.T) {
	const sec = time.Second
	tests := []struct {
		name    string
		files   []string
		changes []then
		want    []string
		steps   []string // that ran, in the order in which their builds ended
	}{
		{
			name:    "the running step is changed",
			files:   []string{"app", "RUN one 10s\nRUN two 1s"},
			changes: []then{{3 * sec, write("app", "RUN new 10s\nRUN two 1s")}},
			want:    []string{"app superseded", "app built"},
			steps:   []string{"app: RUN new 10s", "app: RUN two 1s"},
		},
		{
			name:    "what is behind it",
			files:   []string{"app", "RUN one 10s\nRUN two 1s"},
			changes: []then{{3 * sec, write("app", "RUN one 10s\nRUN new 1s")}},
			want:    []string{"app built", "app built"},
			steps:   []string{"app: RUN one 10s", "app: RUN two 1s", "app: RUN new 1s"},
		},
		{
			name:    "what is before it",
			files:   []string{"app", "RUN one 1s\nRUN two 10s"},
			changes: []then{{3 * sec, write("app", "RUN new 1s\nRUN two 10s")}},
			want:    []string{"app superseded", "app built"},
			steps:   []string{"app: RUN one 1s", "app: RUN new 1s", "app: RUN two 10s"},
		},
		{
			name:    "undone",
			files:   []string{"app", "RUN one 10s\nRUN two 1s"},
			changes: []then{{3 * sec, write("app", "RUN one 10s\nRUN new 1s")}, {4 * sec, write("app", "RUN one 10s\nRUN two 1s")}},
			want:    []string{"app built"},
			steps:   []string{"app: RUN one 10s", "app: RUN two 1s"},
		},
		{
			name:    "undone after it was superseded",
			files:   []string{"app", "RUN one 1s\nRUN two 10s"},
			changes: []then{{3 * sec, write("app", "RUN one 1s\nRUN new 10s")}, {4 * sec, write("app", "RUN one 1s\nRUN two 10s")}},
			want:    []string{"app superseded", "app superseded", "app built"},
			steps:   []string{"app: RUN one 1s", "app: RUN two 10s"},
		},
		{
			name:    "the same job twice",
			files:   []string{"app", "RUN one 10s", "child", "FROM app\nRUN child 1s"},
			changes: []then{{3 * sec, nil}, {4 * sec, nil}},
			want:    []string{"app built", "child built"},
			steps:   []string{"app: RUN one 10s", "child: RUN child 1s"},
		},
		{
			name:    "the same job when part of it is done",
			files:   []string{"app", "RUN one 2s", "child", "FROM app\nRUN child 5s", "last", "FROM child\nRUN last 1s"},
			changes: []then{{3 * sec, nil}, {8 * sec, nil}},
			want:    []string{"app built", "child built", "last built"},
			steps:   []string{"app: RUN one 2s", "child: RUN child 5s", "last: RUN last 1s"},
		},
		{
			name:    "another image",
			files:   []string{"app", "RUN one 10s", "other", "RUN other 1s"},
			changes: []then{{3 * sec, write("other", "RUN new 1s")}},
			want:    []string{"other built", "other built", "app built"},
			steps:   []string{"other: RUN other 1s", "other: RUN new 1s", "app: RUN one 10s"},
		},
		{
			name:  "the image is gone",
			files: []string{"app", "RUN one 10s", "other", "RUN other 1s"},
			changes: []then{{3 * sec, func(b *bed) {
				b.names = []string{"other"}
			}}},
			want:  []string{"other built", "app built"},
			steps: []string{"other: RUN other 1s", "app: RUN one 10s"},
		},
		{
			name:  "the image cannot be built any more",
			files: []string{"app", "RUN one 10s", "child", "FROM app\nRUN child 1s"},
			changes: []then{{3 * sec, func(b *bed) {
				b.files["app"] = "RUN new 10s"
				b.faults["app"] = &impact.Fault{Cause: "damaged"}
			}}},
			want:  []string{"app built", "app failed", "child skipped"},
			steps: []string{"app: RUN one 10s"},
		},
		{
			name:    "after a failure",
			files:   []string{"bad", "RUN bad 1s fail", "child", "FROM bad\nRUN child 1s", "long", "RUN long 10s"},
			changes: []then{{3 * sec, write("bad", "RUN good 1s")}},
			want:    []string{"bad failed", "child skipped", "bad built", "child built", "long built"},
			steps:   []string{"bad: RUN good 1s", "child: RUN child 1s", "long: RUN long 10s"},
		},
		{
			name:    "a failure is tried again",
			files:   []string{"bad", "RUN bad 1s fail", "long", "RUN long 10s"},
			changes: []then{{3 * sec, nil}},
			want:    []string{"bad failed", "bad failed", "long built"},
			steps:   []string{"long: RUN long 10s"},
		},
		{
			name:    "a parent of what runs",
			files:   []string{"base", "RUN base 1s", "app", "FROM base\nRUN one 10s"},
			changes: []then{{3 * sec, write("base", "RUN new 1s")}},
			want:    []string{"base built", "app superseded", "base built", "app built"},
			steps:   []string{"base: RUN base 1s", "base: RUN new 1s", "app: RUN one 10s"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, tt.files...)
				report, last, err := b.follow(t.Context(), tt.changes)
				if err != nil || len(report.Warnings) > 0 {
					t.Errorf("%v %q", err, report.Warnings)
				}
				b.expect(tt.want...)
				if steps := b.steps(); !slices.Equal(steps, tt.steps) {
					t.Errorf("steps %q, want %q", steps, tt.steps)
				}
				for _, name := range last.States.Order {
					if o := report.Outcome(name); o.Status == run.Built {
						b.current(name)
					}
				}
			})
		})
	}
}

// A newer job lets a run go on that a failure stopped, and counts as if nothing had
// been cancelled.
func TestUpdateAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "bad", "RUN bad 1s fail", "slow", "RUN slow 10s", "later", "RUN later 1s")
		b.phases = []impact.Phase{{Critical: true, Images: []string{"bad", "slow"}}, {Images: []string{"later"}}}
		report, _, err := b.follow(t.Context(), []then{{3 * time.Second, write("bad", "RUN good 1s")}})
		if err != nil || report.Critical != "" {
			t.Errorf("%v, critical %q", err, report.Critical)
		}
		b.expect("bad failed", "bad built", "later built", "slow built")
		b.current(b.names...)
	})
}

// A build that is cancelled because of a failure may take a while to end. When a newer
// job comes meanwhile, its end says nothing of that: the image is built.
func TestUpdateWhileABuildIsBeingCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "bad", "RUN bad 1s fail", "slow", "RUN slow 10s", "child", "FROM slow\nRUN child 1s")
		lingering := &lingers{double: b.double, image: "slow"}
		_, _, err := b.follow(t.Context(), []then{{1500 * time.Millisecond, write("bad", "RUN good 1s")}}, func(r *run.Run) {
			r.Builder, r.FailFast = lingering, true
		})
		if err != nil {
			t.Error(err)
		}
		b.expect("bad failed", "slow canceled", "bad built", "slow built", "child built")
		b.current(b.names...)
	})
}

// lingers lets a second pass until a cancelled build of an image ends.
type lingers struct {
	*double
	image string
}

// Build implements run.Builder.
func (l *lingers) Build(ctx context.Context, req docker.Request) (*docker.Result, error) {
	res, err := l.double.Build(ctx, req)
	if err != nil && req.Image.Name == l.image {
		time.Sleep(time.Second) // of the bubble's time
	}
	return res, err
}

// A build that runs makes what the newer job wants, but its parent is built anew in that:
// what it makes counts only if the parent comes out the same.
func TestUpdateBuildsTheParentOfWhatRuns(t *testing.T) {
	tests := []struct {
		name, base string
		lost       time.Duration // when the parent is; app runs from 5 s to 15 s
		want       []string
	}{
		{"the same, first", "RUN base 5s", 7 * time.Second, []string{"base built", "base built", "app built", "child built"}},
		{"the same, last", "RUN base 5s", 13 * time.Second, []string{"base built", "app built", "base built", "app kept", "child built"}},
		{"another, first", "RUN base 5s random", 7 * time.Second, []string{"base built", "base built", "app built", "app built", "child built"}},
		{"another, last", "RUN base 5s random", 13 * time.Second, []string{"base built", "app built", "base built", "app built", "child built"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, "base", tt.base, "app", "FROM base\nRUN app 10s", "child", "FROM app\nRUN child 1s")
				lost := func(b *bed) { b.double.drop("base") }
				if _, _, err := b.follow(t.Context(), []then{{tt.lost, lost}}); err != nil {
					t.Error(err)
				}
				b.expect(tt.want...)
				b.current(b.names...)
				b.bring()
				b.expect()
			})
		})
	}
}

// A channel that is closed brings nothing more.
func TestUpdatesClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "app", "RUN one 10s", "child", "FROM app\nRUN child 1s")
		updates := make(chan run.Job)
		close(updates)
		b.bring(func(r *run.Run) { r.Updates = updates })
		b.expect("app built", "child built")
	})
}

// Whatever jobs come, whenever: each image is in the end what the job that the run took
// last wants, and nothing was built that did not have to be.
func TestRandomUpdates(t *testing.T) {
	seeds(t, 120, func(t *testing.T, r *rand.Rand) {
		b := randomBed(t, r)
		b.phases = nil
		failures := r.IntN(2) == 0
		var changes []then
		at := time.Duration(0)
		for range 1 + r.IntN(5) {
			at += duration(r)
			changes = append(changes, then{at, func(b *bed) {
				if r.IntN(3) == 0 {
					b.double.drop(pick(r, b.names...))
				} else {
					b.edit(r, failures)
				}
			}})
		}
		slots := 1 + r.IntN(4)
		report, last, err := b.follow(t.Context(), changes, func(r *run.Run) { r.Slots = slots })
		if err != nil || len(report.Warnings) > 0 {
			t.Fatalf("%v %q", err, report.Warnings)
		}
		b.jobIsDone(report, last)
		if t.Failed() {
			t.Logf("slots %d, %q", slots, b.outcomes)
			for _, name := range b.names {
				t.Logf("%s:\n%s", name, b.files[name])
			}
		}
	})
}

// jobIsDone tells whether a run did all that its last job asked for. The Dockerfiles may
// have changed since.
func (b *bed) jobIsDone(report *run.Report, last run.Job) {
	b.t.Helper()
	broken := map[string]bool{}
	for _, name := range last.States.Order {
		ip, st := last.Plan.Image(name), last.States.States[name]
		rec, _ := b.records.Load(name)
		o := report.Outcome(name)
		for _, p := range ip.Parents {
			broken[name] = broken[name] || broken[p]
		}
		switch {
		case broken[name]:
			if o == nil || o.Status != run.Skipped {
				b.t.Errorf("%s is %+v, and hangs on a failure", name, o)
			}
		case o != nil && o.Status == run.Failed:
			broken[name] = true
			if !rec.Failed || o.State == "" {
				b.t.Errorf("%s failed, and its record is %+v", name, rec)
			}
		case rec == nil || !rec.IsOf(st):
			b.t.Errorf("%s is not what the last job wants: %+v", name, o)
		default:
			for _, p := range st.Parents {
				if parent, _ := b.records.Load(p.Image); parent.OutputFor(p) != rec.Parents[p.Image] {
					b.t.Errorf("%s stands on another %s", name, p.Image)
				}
			}
			if id := b.double.refs[refOf(name)]; id != rec.ImageID {
				b.t.Errorf("%s is tagged %s, its record says %s", name, id, rec.ImageID)
			}
		}
	}
}

// Whenever a run is cancelled it ends at once, says why, records what was made and no
// more, and leaves no build behind. The next run does what is left.
func TestRandomCancellation(t *testing.T) {
	seeds(t, 60, func(t *testing.T, r *rand.Rand) {
		b := randomBed(t, r)
		for _, name := range b.names {
			b.double.stubborn[name] = r.IntN(4) == 0
		}
		reason := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		after := duration(r) * time.Duration(1+r.IntN(3))
		timer := time.AfterFunc(after, func() { cancel(reason) })
		defer timer.Stop()
		begun := time.Now()
		slots := 1 + r.IntN(4)
		report, err := b.run(ctx, b.job(), func(r *run.Run) { r.Slots = slots })
		took := time.Since(begun)
		if errors.Is(err, reason) != (took >= after) || took > after || err != nil && !errors.Is(err, reason) {
			t.Errorf("%v after %v, cancelled after %v", err, took, after)
		}
		for _, s := range b.double.runs {
			if s.begun.Sub(begun) >= after {
				t.Errorf("%s was begun after the end", s.image)
			}
		}
		for _, name := range b.names {
			o := report.Outcome(name)
			if o == nil {
				t.Fatalf("%s has no outcome", name)
			}
			rec, _ := b.records.Load(name)
			if (rec != nil) != (o.Status == run.Built) {
				t.Errorf("%s: %s, record %+v", name, o.Status, rec)
			}
		}
		clear(b.double.stubborn)
		b.bring(func(r *run.Run) { r.Slots = slots })
		b.current(b.names...)
		if len(b.double.images) > len(b.names) {
			t.Errorf("%d images are left of %d", len(b.double.images), len(b.names))
		}
	})
}

// An engine that goes away ends the run: what is under way ends, nothing is begun.
func TestEngineLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "a", "RUN a 5s", "b", "RUN b 60s", "c", "FROM a\nRUN c 60s", "d", "RUN d 1s")
		timer := time.AfterFunc(20*time.Second, b.double.lose)
		defer timer.Stop()
		report, err := b.run(t.Context(), b.job())
		var gone *docker.Unreachable
		if !errors.As(err, &gone) {
			t.Errorf("error %v", err)
		}
		// Of the two that ran, the second may have been cancelled because of the first.
		ended := map[run.Status]int{}
		for _, o := range report.Outcomes {
			ended[o.Status]++
		}
		if ended[run.Built] != 1 || ended[run.Skipped] != 1 || ended[run.Failed] < 1 || ended[run.Failed]+ended[run.Cancelled] != 2 {
			t.Errorf("outcomes %q", b.outcomes)
		}
		if report.Critical != "" {
			t.Errorf("critical %q", report.Critical)
		}
		if !b.journal.Uncertain("b") || !b.journal.Uncertain("c") || b.journal.Uncertain("a") {
			t.Error("the journal does not say which builds had no end")
		}
	})
}

// A newer job does not start anything on an engine that is gone.
func TestUpdateAfterEngineLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "a", "RUN a 5s", "b", "RUN b 60s")
		lingering := &lingers{double: b.double, image: "b"}
		updates := make(chan run.Job)
		j := b.job()
		b.files["a"] = "RUN other 5s"
		newer := b.job()
		go func() {
			time.Sleep(3500 * time.Millisecond) // of the bubble's time
			updates <- newer
		}()
		timer := time.AfterFunc(3*time.Second, b.double.lose)
		defer timer.Stop()
		_, err := b.run(t.Context(), j, func(r *run.Run) { r.Updates, r.Builder = updates, lingering })
		var gone *docker.Unreachable
		if !errors.As(err, &gone) {
			t.Errorf("error %v", err)
		}
		b.expect("a failed", "b canceled", "a skipped", "b skipped")
	})
}
