package run_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rebuild/docker"
	"rebuild/docker/audit"
	"rebuild/docker/record"
	"rebuild/docker/run"
	"rebuild/impact"
)

// A run holds its builds against its plan, and keeps what comes of it. The builder is
// asked for nothing more when the plan was sound.
func TestRunAudits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "base", "RUN base 1s\nRUN more 1s", "child", "FROM base\nRUN child 1s", "bad", "RUN bad 1s fail")
		report := b.bring()
		a := report.Audit
		if a == nil || a.Engine != b.double.version || !a.Ended.Equal(time.Now()) || a.Images.Built != 2 || a.Layers.Right != 3 || len(a.Misses) > 0 {
			t.Fatalf("%+v", a)
		}
		b.files["base"] = "RUN base 1s\nRUN more~2 1s"
		report = b.bring()
		if a = report.Audit; a.Images.Built != 1 || a.Layers.Cached != 1 || a.Layers.Invalidated != 1 || a.Layers.Right != 2 {
			t.Errorf("%+v", a)
		}
		if b.double.asked > 0 {
			t.Error("the cache was asked for, and nothing was amiss")
		}
		audits, warning, err := b.log.Read()
		if len(audits) != 2 || warning != "" || err != nil || audits[1].Layers.Right != 2 {
			t.Errorf("%d audits, %q %v", len(audits), warning, err)
		}
	})
}

// When a layer ran that was predicted to be cached, the builder is asked why.
func TestRunExplains(t *testing.T) {
	tests := map[string]struct {
		lose bool // before it is asked
		base string
		want audit.CauseKind
	}{
		"the cache is gone":       {want: audit.CauseCachePruned},
		"a base moved":            {base: "another", want: audit.CauseBaseMoved},
		"the engine does not say": {lose: true, want: audit.CauseUnknown},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, "app", "FROM os\nRUN app 1s\nRUN more 1s")
				b.double.images["sha256:os"], b.double.refs[refOf("os")] = &stored{}, "sha256:os"
				b.bring()
				if tt.base != "" {
					b.double.entries = []docker.CacheEntry{{Created: time.Now().Add(-time.Hour)}}
				}
				clear(b.double.cache)
				time.Sleep(time.Hour) // of the bubble's time
				b.files["app"] = "FROM os\nRUN app 1s\nRUN other 1s"
				report, err := b.run(t.Context(), b.job(), func(r *run.Run) {
					r.Observe = func(_ string, _ *docker.StepLog, o *run.Outcome) {
						if o != nil && tt.lose {
							r.Builder = &asksInVain{b.double}
						}
						if o != nil && tt.base != "" {
							b.double.refs[refOf("os")] = tt.base
							b.double.images[tt.base] = &stored{}
						}
					}
				})
				if err != nil || len(report.Warnings) > 0 != tt.lose { // of the sweep
					t.Errorf("%v %q", err, report.Warnings)
				}
				a := report.Audit
				if b.double.asked != 1 {
					t.Errorf("asked %d times", b.double.asked)
				}
				if len(a.Misses) != 1 || a.Misses[0].Kind != audit.Unsound || a.Misses[0].Cause.Kind != tt.want {
					t.Errorf("%+v", a.Misses)
				}
			})
		})
	}
}

// asksInVain is a double that does not say what it holds.
type asksInVain struct{ *double }

// Images implements run.Builder.
func (asksInVain) Images(context.Context) (docker.Images, error) { return docker.Images{}, errBroken }

// CacheUsage implements run.Builder.
func (a *asksInVain) CacheUsage(ctx context.Context) ([]docker.CacheEntry, error) {
	_, _ = a.double.CacheUsage(ctx) // counts
	return nil, errBroken
}

func (b *bed) tally() map[audit.Why]int {
	audits, _, err := b.log.Read()
	if err != nil || len(audits) == 0 {
		b.t.Fatal(err)
	}
	last := audits[len(audits)-1]
	all := maps.Clone(last.Layers.NotComparable)
	maps.Copy(all, last.Images.NotCompared)
	maps.Copy(all, last.Images.NotComparable)
	return all
}

// What of a build's request no plan compares is no miss.
func TestRunAuditsUnplanned(t *testing.T) {
	tests := map[string]struct {
		change func(*docker.Request)
		want   audit.Why
	}{
		"without the cache":   {func(r *docker.Request) { r.NoCache = true }, audit.BuiltWithoutCache},
		"an ignored argument": {func(r *docker.Request) { r.Image.Args = map[string]string{"SHA": "1"} }, audit.ArgumentsIgnored},
		"another argument":    {func(r *docker.Request) { r.Image.Args = map[string]string{"TIME": "1"} }, audit.ArgumentsIgnored},
		"another Dockerfile":  {func(r *docker.Request) { r.Image.Inline = "1" }, audit.ArgumentsIgnored},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, "app", "RUN app 1s\nRUN more 1s")
				b.bring()
				clear(b.double.cache)
				b.files["app"] = "RUN app 1s\nRUN other 1s"
				b.change = tt.change
				report := b.bring()
				if got := b.tally(); got[tt.want] != 1 || len(report.Audit.Misses) > 0 {
					t.Errorf("%v, %+v", got, report.Audit.Misses)
				}
			})
		})
	}
}

// The audit knows how each image of the run ended, what the records of other clones say,
// and what a killed run may have left.
func TestRunAuditsOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "base", "RUN base 1s", "child", "FROM base\nRUN child 1s", "kept", "FROM child\nRUN kept 1s")
		b.bring()
		b.files["base"] = "RUN base~2 1s"
		b.files["child"] = "FROM base\nRUN child~2 1s"
		b.double.cache[hash(hash("", "FROM base", "base"), "RUN child~2 1s")] = "child" // somebody built that
		report := b.bring()
		b.expect("base built", "child built", "kept cut off")
		if got := b.tally(); got[audit.ParentSame] == 0 || len(report.Audit.Misses) > 0 {
			t.Errorf("%v %+v", got, report.Audit.Misses)
		}
		// What another clone's record says that the engine has.
		st := b.snapshot().States["base"]
		st.Layers = []impact.StateLayer{{Key: impact.DigestOf("layer", "", "RUN base~3 1s")}}
		b.files["base"] = "RUN base~3 1s"
		b.double.cache[hash("", "RUN base~3 1s")] = "base"
		b.bring(func(r *run.Run) {
			r.Vouching = map[string]*record.Record{"x": {ImageID: "x", State: st}}
		})
		if got := b.tally(); got[audit.SeenBefore] == 0 {
			t.Errorf("%v", got)
		}
	})
}

// An audit that cannot be kept is a warning; without a log none is kept.
func TestAuditIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "app", "RUN app 1s")
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		b.log = audit.OpenLog(filepath.Join(file, "audit.jsonl"))
		report, err := b.run(t.Context(), b.job())
		if err != nil || report.Audit == nil || len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "audit of this run is not kept") {
			t.Errorf("%v %q", err, report.Warnings)
		}
		b.log = nil
		b.files["app"] = "RUN other 1s"
		if report := b.bring(); report.Audit == nil {
			t.Error("no audit")
		}
	})
}

// Of a run whose engine went away nothing more is asked.
func TestAuditWithoutEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "app", "RUN app 1s", "slow", "RUN slow 9s")
		timer := time.AfterFunc(5*time.Second, b.double.lose)
		defer timer.Stop()
		report, err := b.run(t.Context(), b.job())
		var gone *docker.Unreachable
		if !errors.As(err, &gone) || report.Audit == nil || report.Audit.Engine != "" || b.double.asked > 0 {
			t.Errorf("%v, %+v", err, report.Audit)
		}
		if n := len(report.Audit.Keys); n != 2 || !slices.IsSorted(report.Audit.Keys) {
			t.Errorf("%d keys", n)
		}
	})
}
