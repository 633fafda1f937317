package run_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"rebuild/docker"
	"rebuild/docker/run"
)

func registryAway(image string, executed bool) error {
	return &docker.BuildFailure{
		Image: image, Executed: executed,
		Cause: errors.New("pulling from host registry.example failed with status code [manifests one]: 503 Service Unavailable"),
	}
}

// A fault that passes is tried again, each time a little later, and is told; the steps that
// ran before it are not taken for cached ones.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "base", "RUN a 1s", "app", "FROM base\nRUN b 1s")
		b.double.exports["base"] = []error{registryAway("base", false), registryAway("base", false)}
		begun := time.Now()
		report := b.bring()
		b.expect("base built", "app built")
		b.current("base", "app")
		o := report.Outcome("base")
		if len(o.Retries) != 2 || o.Ran != 1 || len(report.Audit.Misses) > 0 {
			t.Errorf("%+v %+v", o, report.Audit)
		}
		if took := time.Since(begun); took != 5*time.Second { // 1 + 1 + 2 + 1
			t.Errorf("took %s", took)
		}
		if left := b.journal.Unfinished(); left {
			t.Error("the journal has a build that is under way")
		}
	})
}

// A step that each try finds in the cache has not run.
func TestRetryCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "app", "RUN a 1s")
		b.bring()
		b.files["app"] = "RUN a 1s\nENV x"
		b.double.exports["app"] = []error{registryAway("app", false)}
		report := b.bring()
		b.expect("app built")
		if o := report.Outcome("app"); len(o.Retries) != 1 || o.Ran != 0 || len(report.Audit.Misses) > 0 {
			t.Errorf("%+v %+v", o, report.Audit)
		}
	})
}

func TestRetryEnds(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		builds int
	}{
		"a fault that lasts":           {registryAway("app", false), 4},
		"the same words from a step":   {registryAway("app", true), 1},
		"a fault that does not pass":   {&docker.BuildFailure{Image: "app", Cause: errors.New("no space left on device")}, 1},
		"what the engine pushed twice": {&docker.BuildFailure{Image: "app", Step: "pushing registry.example/app:1", Cause: errors.New("received unexpected HTTP status: 503 Service Unavailable")}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, "app", "RUN a")
				b.double.exports["app"] = slices.Repeat([]error{test.err}, 9)
				report, err := b.run(t.Context(), b.job())
				if err != nil {
					t.Fatal(err)
				}
				b.expect("app failed")
				if o := report.Outcome("app"); len(o.Retries) != test.builds-1 || len(b.double.runs) != test.builds || !errors.Is(o.Err, test.err) {
					t.Errorf("%d builds: %+v", len(b.double.runs), o)
				}
			})
		})
	}
}

// Who interrupts does not wait for the next try.
func TestRetryInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "app", "RUN a")
		b.double.exports["app"] = slices.Repeat([]error{registryAway("app", false)}, 9)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begun := time.Now()
		report, _ := b.run(ctx, b.job())
		if o := report.Outcome("app"); o.Status != run.Cancelled || time.Since(begun) != 2*time.Second {
			t.Errorf("%s %+v", time.Since(begun), o)
		}
	})
}
