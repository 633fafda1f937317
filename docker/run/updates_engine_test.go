package run_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rebuild/docker"
	"rebuild/docker/enginetest"
	"rebuild/docker/record"
	"rebuild/docker/run"
	"rebuild/impact"
)

// updatesBed is a run of builds that gets newer jobs while its first build executes a
// slow step. The image app copies deps, runs for as many seconds as that says, and
// copies late; the image other copies late alone.
type updatesBed struct {
	t       *testing.T
	e       *docker.Engine
	records *record.Store
	updates chan run.Job
	refs    map[string][]string
	unique  string

	report   *run.Report
	outcomes []string
}

func newUpdatesBed(t *testing.T, e *docker.Engine) *updatesBed {
	b := &updatesBed{
		t: t, e: e, records: record.Open(t.TempDir(), "engine"), updates: make(chan run.Job), unique: enginetest.Unique(),
		refs: map[string][]string{},
	}
	for _, name := range []string{"app", "other"} {
		b.refs[name] = []string{enginetest.Ref(t, "rebuild.test/"+name+":"+b.unique)}
		enginetest.Cleanup(t, e, b.refs[name]...)
	}
	return b
}

// job is that of building the images named from these files.
func (b *updatesBed) job(deps, late string, names ...string) run.Job {
	plan, states := &impact.Plan{}, &impact.Snapshot{States: map[string]*impact.State{}}
	dockerfiles := map[string]string{
		"app":   "ENV U=" + b.unique + "\nCOPY deps /\nRUN sleep $(cat /deps)\nCOPY late /\n",
		"other": "ENV U=" + b.unique + "\nCOPY late /\n",
	}
	for _, name := range []string{"app", "other"} {
		st := &impact.State{Name: name, Config: "config"}
		key := impact.DigestOf("base", b.unique)
		lines := strings.Split(strings.TrimSpace(dockerfiles[name]), "\n")[1:]
		var layers []impact.LayerPlan
		for i, line := range lines {
			key = impact.DigestOf("layer", string(key), line)
			if strings.Contains(line, "deps") {
				key = impact.DigestOf("layer", string(key), deps)
			}
			if strings.Contains(line, "late") {
				key = impact.DigestOf("layer", string(key), late)
			}
			step := fmt.Sprintf("[%d/%d] %s", i+2, len(lines)+1, line)
			st.Layers = append(st.Layers, impact.StateLayer{Key: key, Name: step})
			layers = append(layers, impact.LayerPlan{Index: i + 1, Name: step, Step: true, State: impact.Invalidated})
		}
		st.Output = key
		action := impact.Keep
		if slices.Contains(names, name) {
			action = impact.Rebuild
		}
		states.States[name] = st
		states.Order = append(states.Order, name)
		states.Catalog.Images = append(states.Catalog.Images, impact.Image{Name: name, Refs: b.refs[name]})
		plan.Images = append(plan.Images, impact.ImagePlan{
			Name: name, Selected: true, Action: action, Layers: layers, Reasons: []impact.Reason{{Kind: impact.ReasonFile}},
		})
	}
	return run.Job{
		Plan: plan, States: states, Made: time.Now(),
		Request: func(_ context.Context, name string) (docker.Request, error) {
			req := enginetest.Request(b.t, name, dockerfiles[name], enginetest.Files{"deps": {Data: []byte(deps)}, "late": {Data: []byte(late)}})
			req.Refs = b.refs[name]
			return req, nil
		},
	}
}

// run carries a job out, and gives the run newer ones, one after another, when the
// step of its first build is being executed.
func (b *updatesBed) run(first run.Job, newer ...run.Job) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 40*time.Second)
	defer cancel()
	journal, warning := run.OpenJournal(b.records.JournalFile())
	if warning != "" {
		b.t.Fatal(warning)
	}
	sent := len(newer) == 0
	r := run.Run{Job: first, Builder: b.e, Records: b.records, Journal: journal, Updates: b.updates, Slots: 2}
	r.Observe = func(image string, steps *docker.StepLog, o *run.Outcome) {
		if o != nil {
			b.outcomes = append(b.outcomes, image+" "+string(o.Status))
			return
		}
		if image != "app" || sent {
			return
		}
		sent = true
		go func() {
			awaitStep(ctx, steps, "RUN sleep")
			for _, w := range newer {
				select {
				case b.updates <- w:
				case <-ctx.Done():
				}
			}
		}()
	}
	var err error
	if b.report, err = r.Do(ctx); err != nil {
		b.t.Fatal(err)
	}
}

// awaitStep waits until a build executes a step whose name holds text.
func awaitStep(ctx context.Context, steps *docker.StepLog, text string) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !slices.ContainsFunc(steps.Running(), func(name string) bool { return strings.Contains(name, text) }) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (b *updatesBed) expect(last run.Job, outcomes ...string) {
	b.t.Helper()
	if !slices.Equal(b.outcomes, outcomes) {
		b.t.Errorf("outcomes %q, want %q", b.outcomes, outcomes)
	}
	rec, warning := b.records.Load("app")
	if warning != "" || rec == nil || !rec.IsOf(last.States.States["app"]) {
		b.t.Errorf("the record is not that of the newest job: %+v, %s", rec, warning)
	}
}

// A newer job that changes what comes after the step that runs lets the build go on:
// the next one finds it in the cache.
func TestEngineNewerJobBehindTheRunningStep(t *testing.T) {
	e := enginetest.WithBase(t)
	b := newUpdatesBed(t, e)
	last := b.job("1", "two", "app")
	b.run(b.job("1", "one", "app"), last)
	b.expect(last, "app built", "app built")
	if s := enginetest.Step(t, b.report.Outcome("app").Result, "RUN sleep"); s.Ran() {
		t.Error("the slow step ran twice")
	}
}

// A newer job that changes what the running step reads cancels the build.
func TestEngineNewerJobBeforeTheRunningStep(t *testing.T) {
	b := newUpdatesBed(t, enginetest.WithBase(t))
	last := b.job("0", "one", "app")
	b.run(b.job("600", "one", "app"), last)
	b.expect(last, "app superseded", "app built")
}

// A change that is undone while the build runs leaves its outcome as good as it was.
func TestEngineNewerJobThatIsUndone(t *testing.T) {
	b := newUpdatesBed(t, enginetest.WithBase(t))
	first := b.job("1", "one", "app")
	b.run(first, b.job("1", "two", "app"), b.job("1", "one", "app"))
	b.expect(first, "app built")
}

// A newer job for another image is done in the free slot.
func TestEngineNewerJobForAnotherImage(t *testing.T) {
	b := newUpdatesBed(t, enginetest.WithBase(t))
	first := b.job("3", "one", "app")
	b.run(first, b.job("3", "one", "app", "other"))
	b.expect(first, "other built", "app built")
}

// An image that a newer job asks nothing of is left to its build, and is not built
// again.
func TestEngineNewerJobWithoutTheRunningImage(t *testing.T) {
	b := newUpdatesBed(t, enginetest.WithBase(t))
	first := b.job("1", "one", "app")
	b.run(first, b.job("1", "one"))
	b.expect(first, "app built")
}
