package run_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rebuild/docker"
	"rebuild/docker/record"
	"rebuild/docker/run"
	"rebuild/impact"
)

// What dependents take decides whether they are built when their parent was.
func TestCutoff(t *testing.T) {
	tests := []struct {
		name   string
		change func(b *bed)
		want   []string
	}{
		{"the same", func(b *bed) { b.files["base"] = "RUN base~2 1s\nENV a" }, []string{"base built", "child cut off", "grandchild cut off", "reader cut off"}},
		{"files", func(b *bed) { b.files["base"] = "RUN other 1s\nENV a" }, []string{"base built", "child built", "reader built", "grandchild built"}},
		{"config alone", func(b *bed) { b.files["base"] = "RUN base 1s\nENV b" }, []string{"base built", "reader cut off", "child built", "grandchild built"}},
		{"files with its own change", func(b *bed) {
			b.files["base"] = "RUN base~2 1s\nENV a"
			b.files["child"] = "FROM base\nRUN child~2 1s"
		}, []string{"base built", "reader cut off", "child built", "grandchild cut off"}},
		{"nothing", func(*bed) {}, nil},
		{"gone from the engine", func(b *bed) {
			delete(b.double.images, b.double.refs[refOf("child")])
			delete(b.double.refs, refOf("child"))
		}, []string{"child built", "grandchild cut off"}},
		{"gone when its parent comes out the same", func(b *bed) {
			b.files["base"] = "RUN base~2 1s\nENV a"
			delete(b.double.images, b.double.refs[refOf("reader")])
			delete(b.double.refs, refOf("reader"))
		}, []string{"base built", "child cut off", "grandchild cut off", "reader built"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, "base", "RUN base 1s\nENV a", "child", "FROM base\nRUN child 1s", "grandchild", "FROM child\nRUN grandchild 3s", "reader", "FILES base\nRUN reader 2s")
				b.bring()
				tt.change(b)
				b.bring()
				slices.Sort(tt.want)
				slices.Sort(b.outcomes) // the order is TestRandomGraphs'
				b.expect(tt.want...)
				b.current(b.names...) // also of what was cut off: the record knows the new state
				b.bring()
				b.expect()
			})
		})
	}
}

// An image that the engine does not have is built although its parents came out the same.
func TestCutoffOfAnImageThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "base", "RUN base 1s", "child", "FROM base\nRUN child 1s")
		b.bring()
		b.files["base"] = "RUN base~2 1s"
		j := b.job()
		j.Images = docker.NewImages(nil)
		if _, err := b.run(t.Context(), j); err != nil {
			t.Error(err)
		}
		b.expect("base built", "child built")
	})
}

// A record that cannot be written when an image is cut off is a warning: the next run
// compares again.
func TestCutoffIsNotRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "base", "RUN base 1s", "child", "FROM base\nRUN child 1s")
		b.bring()
		b.files["base"] = "RUN base~2 1s"
		report, err := b.run(t.Context(), b.job(), func(r *run.Run) {
			r.Observe = func(image string, _ *docker.StepLog, o *run.Outcome) {
				if o != nil && image == "base" {
					blockRecord(t, b.records, "child")
				}
			}
		})
		if err != nil || len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "record of child") {
			t.Errorf("%v %q", err, report.Warnings)
		}
		b.expect("base built", "child cut off")
	})
}

// blockRecord puts a folder in the place of an image's record.
func blockRecord(t *testing.T, s *record.Store, image string) {
	t.Helper()
	entries, err := os.ReadDir(s.Dir())
	if err != nil {
		t.Error(err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), image+".") {
			path := filepath.Join(s.Dir(), entry.Name())
			if err := errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "sub"), 0o755)); err != nil {
				t.Error(err)
			}
		}
	}
}

// An image that cannot be built fails without a build, and skips its dependents.
func TestFaultyImage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "bad", "RUN bad 1s", "child", "FROM bad\nRUN child 1s", "good", "RUN good 1s")
		b.faults["bad"] = &impact.Fault{Path: "bad/Dockerfile", Line: 3, Cause: "no"}
		report := b.bring()
		b.expect("bad failed", "child skipped", "good built")
		if !errors.Is(b.errs["bad"], b.faults["bad"]) || report.Outcome("bad").Result != nil || len(b.steps()) != 1 {
			t.Errorf("%v", b.errs["bad"])
		}
	})
}

// What the caller knows to be built from this very state is kept, if it stands on what
// its parents are.
func TestUpToDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "base", "RUN base 1s", "child", "FROM base\nRUN child 1s")
		b.bring()
		all := func(j run.Job) run.Job { // as against a commit
			for _, name := range b.names {
				ip := j.Plan.Image(name)
				ip.Action, ip.Reasons = impact.Rebuild, []impact.Reason{{Kind: impact.ReasonFile}}
			}
			return j
		}
		b.upToDate = func(string) bool { return true }
		if _, err := b.run(t.Context(), all(b.job())); err != nil {
			t.Error(err)
		}
		b.expect("base kept", "child kept")

		b.upToDate = func(name string) bool { return name == "base" }
		if _, err := b.run(t.Context(), all(b.job())); err != nil {
			t.Error(err)
		}
		b.expect("base kept", "child built")

		// Its parent is another by now.
		b.upToDate = func(name string) bool { return name == "child" }
		b.files["base"] = "RUN other 1s"
		if _, err := b.run(t.Context(), all(b.job())); err != nil {
			t.Error(err)
		}
		b.expect("base built", "child built")
		b.current(b.names...)
	})
}

// Anew builds each image that the run comes to, whatever the records say.
func TestAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "base", "RUN base 1s", "child", "FROM base\nRUN child 1s", "other", "RUN other 1s")
		b.bring()
		b.files["base"] = "RUN base~2 1s"
		b.upToDate = func(string) bool { return true }
		j := b.job()
		j.Anew = true
		if _, err := b.run(t.Context(), j); err != nil {
			t.Error(err)
		}
		b.expect("base built", "child built")
	})
}

// A builder holds no images: what the records say is believed.
func TestBuilderWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "base", "RUN base 1s", "child", "FROM base\nRUN child 1s")
		b.double.builder, b.double.version = true, ""
		b.bring()
		b.files["base"] = "RUN base~2 1s"
		report := b.bring()
		b.expect("base built", "child cut off")
		if len(report.Removed) > 0 {
			t.Errorf("removed %q", report.Removed)
		}
	})
}

// Of an image whose files were edited while it was built nobody knows what it saw, nor
// of those that stand on it: their records have no state, and the next run builds them.
func TestEdited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "base", "RUN base 1s", "child", "FROM base\nRUN child 1s", "other", "RUN other 9s")
		b.settled = func(name string) (bool, error) { return name != "base", nil }
		report := b.bring()
		b.expect("base built", "child built", "other built")
		for _, name := range b.names {
			rec, _ := b.records.Load(name)
			if edited := report.Outcome(name).Edited; edited != (name == "base") || rec.ImageID == "" || (rec.State == nil) != (name != "other") {
				t.Errorf("%s: edited %v, record %+v", name, edited, rec)
			}
		}
		b.settled = nil
		b.bring()
		b.expect("base built", "child built")
		b.current(b.names...)
	})
}

// When nobody can tell whether files were edited, the image has failed; when its build
// did, that counts.
func TestUnsettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "bad", "RUN bad 1s fail", "app", "RUN app 2s", "child", "FROM app\nRUN child 1s")
		unreadable := errors.New("unreadable")
		b.settled = func(string) (bool, error) { return false, unreadable }
		report := b.bring()
		b.expect("bad failed", "app failed", "child skipped")
		var failure *docker.BuildFailure
		if !errors.Is(b.errs["app"], unreadable) || !errors.As(b.errs["bad"], &failure) || errors.Is(b.errs["bad"], unreadable) {
			t.Errorf("%v", b.errs)
		}
		if rec, _ := b.records.Load("app"); rec != nil {
			t.Errorf("record %+v", rec)
		}
		if o := report.Outcome("app"); o.Result == nil || o.Ran != 1 {
			t.Errorf("%+v", o)
		}
	})
}

// A failed build leaves what was built before, and what failed.
func TestFailureIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "app", "RUN app 3s")
		b.bring()
		good, _ := b.records.Load("app")
		b.files["app"] = "RUN app fail"
		report := b.bring()
		bad, _ := b.records.Load("app")
		if !bad.Failed || bad.FailedState != report.Outcome("app").State || bad.ImageID != good.ImageID || !bad.Built.Equal(good.Built) {
			t.Errorf("%+v", bad)
		}
		b.bring() // it is tried again
		b.expect("app failed")
		b.files["app"] = "RUN app~2 3s"
		b.bring()
		b.expect("app built")
		b.current("app")
	})
}

// What builds took is kept: the steps that ran with their seconds, and what it took
// beside them.
func TestTimings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "app", "RUN one 3s\nRUN two 4s")
		b.request = func(string) error { time.Sleep(2 * time.Second); return nil }
		report := b.bring()
		rec, _ := b.records.Load("app")
		if rec.Steps["[1/2] RUN one 3s"] != 3 || rec.Steps["[2/2] RUN two 4s"] != 4 || rec.Overhead != 2 {
			t.Errorf("%v, overhead %v", rec.Steps, rec.Overhead)
		}
		if o := report.Outcome("app"); o.Duration != 9*time.Second || o.Ran != 2 || o.Predicted != 2 {
			t.Errorf("%+v", o)
		}
		b.files["app"] = "RUN one 3s\nRUN other 1s"
		report = b.bring()
		rec, _ = b.records.Load("app")
		if len(rec.Steps) != 3 || rec.Steps["[1/2] RUN one 3s"] != 3 || rec.Overhead != 2 {
			t.Errorf("%v, overhead %v", rec.Steps, rec.Overhead)
		}
		if o := report.Outcome("app"); o.Ran != 1 || o.Predicted != 1 {
			t.Errorf("%+v", o)
		}
	})
}

// A request that cannot be made is its image's failure, and no build is begun.
func TestRequestFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "bad", "RUN bad 1s", "child", "FROM bad\nRUN child 1s", "good", "RUN good 1s")
		no := errors.New("no context")
		b.request = func(name string) error {
			if name == "bad" {
				return no
			}
			return nil
		}
		b.bring()
		b.expect("bad failed", "child skipped", "good built")
		if !errors.Is(b.errs["bad"], no) || b.journal.Unfinished() {
			t.Errorf("%v", b.errs["bad"])
		}
	})
}

// Push reaches the builder, and so does the display.
func TestPushAndProgress(t *testing.T) {
	progress, err := docker.NewProgress(&strings.Builder{}, "quiet", nil)
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t, "app", "RUN app")
	var pushed bool
	push := &pushSeen{double: b.double, pushed: &pushed}
	b.bring(func(r *run.Run) { r.Builder, r.Push, r.Progress = push, true, progress })
	b.expect("app built")
	if !pushed {
		t.Error("the builder is not told to push")
	}
	if err := progress.Close(); err != nil {
		t.Error(err)
	}
}
