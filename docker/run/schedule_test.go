package run_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
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

// randomBed is a repository of up to nine images, with phases that agree with the
// graph, some critical. No two steps take equally long.
func randomBed(t *testing.T, r *rand.Rand) *bed {
	b := newBed(t)
	phase := map[string]int{}
	for i := range 1 + r.IntN(9) {
		name := fmt.Sprintf("i%d", i)
		var text strings.Builder
		for _, p := range b.names {
			if r.IntN(3) > 0 {
				continue
			}
			if phase[p] > phase[name] {
				phase[name] = phase[p]
			}
			fmt.Fprintf(&text, "%s %s\n", pick(r, "FROM", "FILES"), p)
		}
		phase[name] += r.IntN(2)
		for j := range r.IntN(3) {
			fmt.Fprintf(&text, "RUN %s-%d %v\n", name, j, duration(r))
		}
		fmt.Fprintf(&text, "RUN %s %v %s\n", name, duration(r), pick(r, "", "", "random"))
		b.names = append(b.names, name)
		b.files[name] = text.String()
	}
	for _, name := range b.names {
		for len(b.phases) <= phase[name] {
			b.phases = append(b.phases, impact.Phase{Name: fmt.Sprint(len(b.phases)), Critical: r.IntN(3) == 0})
		}
		ph := &b.phases[phase[name]]
		ph.Images = append(ph.Images, name)
	}
	return b
}

func pick(r *rand.Rand, words ...string) string { return words[r.IntN(len(words))] }

func duration(r *rand.Rand) time.Duration { return time.Duration(1 + r.Int64N(int64(time.Minute))) }

// edit changes some images: what they make, only their key, their config, or whether
// their build succeeds.
func (b *bed) edit(r *rand.Rand, failures bool) {
	for _, name := range b.names {
		if r.IntN(2) == 0 {
			continue
		}
		text := strings.ReplaceAll(b.files[name], " fail", "")
		last := strings.LastIndex(text, "RUN ")
		words := strings.Fields(text[last:])
		switch r.IntN(5) {
		case 0:
			text = text[:last] + fmt.Sprintf("RUN %s~%d %v\n", effect(words[1]), r.IntN(1e6), duration(r))
		case 1:
			text = fmt.Sprintf("ENV x%d\n", r.IntN(1e6)) + text
		case 2:
			if failures {
				text = strings.TrimSuffix(text, "\n") + " fail\n"
			}
		default:
			random := pick(r, "", "", "random")
			text = text[:last] + fmt.Sprintf("RUN %s.%d %v %s\n", name, r.IntN(1e6), duration(r), random)
		}
		b.files[name] = text
	}
}

// seeds runs a test for each of n seeds, in a bubble of its own.
func seeds(t *testing.T, n uint64, test func(t *testing.T, r *rand.Rand)) {
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

// checked holds a run of one job against what it promises.
type checked struct {
	*bed
	job      run.Job
	report   *run.Report
	failFast bool
	slots    int

	before map[string]*record.Record
	final  map[string]run.Outcome
	spans  map[string]span
}

// check runs the bed's job and holds the outcome against what it promises.
func check(b *bed, slots int, failFast bool) {
	b.t.Helper()
	c := &checked{bed: b, job: b.job(), failFast: failFast, slots: slots, final: map[string]run.Outcome{}, spans: map[string]span{}}
	c.before, _ = b.records.LoadAll(b.names)
	b.double.runs = nil
	var err error
	c.report, err = b.run(b.t.Context(), c.job, func(r *run.Run) { r.Slots, r.FailFast = slots, failFast })
	if err != nil || len(c.report.Warnings) > 0 {
		b.t.Fatalf("%v %q", err, c.report.Warnings)
	}
	for _, o := range c.report.Outcomes {
		if _, ok := c.final[o.Image]; ok {
			b.t.Errorf("%s has two outcomes: %q", o.Image, b.outcomes)
		}
		c.final[o.Image] = o
	}
	for _, s := range b.double.runs {
		c.spans[s.image] = s
	}
	if stops := c.stops(); len(stops) > 0 {
		c.stopped(stops)
	} else {
		c.went()
	}
	c.order()
	if b.t.Failed() {
		for _, name := range b.names {
			b.t.Logf("%s, phase %d, %s %v:\n%s", name, b.phase(name), c.job.Plan.Image(name).Action, c.job.Plan.Image(name).Reasons, b.files[name])
		}
		b.t.Logf("slots %d, fail fast %v, phases %+v, outcomes %q", slots, failFast, b.phases, b.outcomes)
	}
}

// stops are the failures that stop the run, in order.
func (c *checked) stops() []run.Outcome {
	var stops []run.Outcome
	for _, o := range c.report.Outcomes {
		if o.Status == run.Failed && (c.failFast || c.phases[c.phase(o.Image)].Critical) {
			stops = append(stops, o)
		}
	}
	return stops
}

// now is the record that the image has after the run.
func (c *checked) now(image string) *record.Record {
	rec, _ := c.records.Load(image)
	return rec
}

// due tells what becomes of an image all of whose parents are done and well.
func (c *checked) due(name string) []run.Status {
	ip, rec := c.job.Plan.Image(name), c.before[name]
	if ip.Action == impact.Rebuild && !ip.WaitsOnly() {
		return []run.Status{run.Built, run.Failed}
	}
	for _, p := range c.job.States.States[name].Parents {
		if c.now(p.Image).OutputFor(p) != rec.Parents[p.Image] {
			return []run.Status{run.Built, run.Failed}
		}
	}
	if ip.Action == impact.Keep {
		return []run.Status{run.Kept}
	}
	return []run.Status{run.CutOff}
}

// went holds a run that nothing stopped: what is not downstream of a failure is as it
// must be, what is was skipped because of that.
func (c *checked) went() {
	involved := map[string]bool{}
	for _, name := range c.names {
		ip := c.job.Plan.Image(name)
		var broken []string
		for _, p := range ip.Parents {
			involved[name] = involved[name] || involved[p]
			switch o := c.final[p]; o.Status {
			case run.Failed:
				broken = append(broken, p)
			case run.Skipped:
				broken = append(broken, o.Because)
			}
		}
		involved[name] = involved[name] || ip.Action == impact.Rebuild
		o, seen := c.final[name]
		switch {
		case seen != involved[name]:
			c.t.Errorf("%s is involved: %v, has an outcome: %v", name, involved[name], seen)
		case !seen:
		case len(broken) > 0:
			if o.Status != run.Skipped || !slices.Contains(broken, o.Because) {
				c.t.Errorf("%s: %s because of %q, not of one of %q", name, o.Status, o.Because, broken)
			}
		case !slices.Contains(c.due(name), o.Status):
			c.t.Errorf("%s: %s, not one of %q", name, o.Status, c.due(name))
		default:
			c.outcome(o)
		}
	}
}

// outcome holds one outcome against the file and the record.
func (c *checked) outcome(o run.Outcome) {
	_, ran := c.spans[o.Image]
	fails := strings.Contains(c.files[o.Image], " fail")
	rec := c.now(o.Image)
	st := c.job.States.States[o.Image]
	switch o.Status {
	case run.Built:
		if !ran || fails || o.Result == nil || rec.ImageID != o.Result.ImageID || o.State != record.StateDigest(st) {
			c.t.Errorf("%s is built: %+v", o.Image, o)
		}
		c.current(o.Image)
	case run.Failed:
		if !ran || !fails || o.Err == nil || !rec.Failed || rec.FailedState != record.StateDigest(st) {
			c.t.Errorf("%s failed: %+v, record %+v", o.Image, o, rec)
		}
		if old := c.before[o.Image]; old != nil && rec.ImageID != old.ImageID {
			c.t.Errorf("the failure of %s changed what was built before", o.Image)
		}
	default:
		if ran {
			c.t.Errorf("%s is %s, and was built", o.Image, o.Status)
		}
		c.current(o.Image)
	}
}

// stopped holds a run that failures stopped: nothing is begun after the first, what runs
// of phases later than one's is cancelled, all else comes to its end.
func (c *checked) stopped(stops []run.Outcome) {
	if want := map[bool]string{true: "", false: stops[0].Image}[c.failFast]; c.report.Critical != want {
		c.t.Errorf("critical %q, want %q", c.report.Critical, want)
	}
	for name, s := range c.spans {
		cancelled := time.Time{} // zero: never
		for _, stop := range slices.Backward(stops) {
			if c.failFast || c.phase(name) > c.phase(stop.Image) {
				cancelled = c.spans[stop.Image].ended
			}
		}
		o := c.final[name]
		switch {
		case s.begun.After(c.spans[stops[0].Image].ended):
			c.t.Errorf("%s was begun after the failure", name)
		case o.Status == run.Cancelled:
			if !s.ended.Equal(cancelled) {
				c.t.Errorf("%s is cancelled at %v, not %v", name, s.ended, cancelled)
			}
		case o.Status != run.Built && o.Status != run.Failed, !cancelled.IsZero() && s.ended.After(cancelled):
			c.t.Errorf("%s: %s, %v after the failure", name, o.Status, s.ended.Sub(cancelled))
		}
	}
	for name, o := range c.final {
		if _, ran := c.spans[name]; !ran && !slices.Contains([]run.Status{run.Skipped, run.Kept, run.CutOff}, o.Status) {
			c.t.Errorf("%s: %s, and never begun", name, o.Status)
		}
	}
}

// order holds when builds began: after their parents, and as soon as these were done
// and a slot free.
func (c *checked) order() {
	for name, s := range c.spans {
		ready := c.first()
		for _, p := range ancestors(c.job, name) {
			if ended := c.spans[p].ended; ended.After(ready) {
				ready = ended
			}
		}
		if s.begun.Before(ready) {
			c.t.Errorf("%s began before its parents were done", name)
		}
		for _, at := range c.ends(ready, s.begun) {
			if busy := c.busy(at); busy < c.slots {
				c.t.Errorf("%s waited although %d of %d slots were free", name, c.slots-busy, c.slots)
			}
		}
	}
}

// first is when the first build began.
func (c *checked) first() time.Time {
	var first time.Time
	for _, s := range c.spans {
		if first.IsZero() || s.begun.Before(first) {
			first = s.begun
		}
	}
	return first
}

// ends are the moments from one time to before another at which a slot may have got
// free.
func (c *checked) ends(from, to time.Time) []time.Time {
	var at []time.Time
	if from.Before(to) {
		at = append(at, from)
	}
	for _, s := range c.spans {
		if s.ended.After(from) && s.ended.Before(to) {
			at = append(at, s.ended)
		}
	}
	return at
}

// busy counts the builds under way right after a moment.
func (c *checked) busy(at time.Time) int {
	n := 0
	for _, s := range c.spans {
		if !s.begun.After(at) && s.ended.After(at) {
			n++
		}
	}
	return n
}

// ancestors are all images that one hangs on.
func ancestors(j run.Job, name string) []string {
	found := map[string]bool{}
	for _, p := range j.Plan.Image(name).Parents {
		found[p] = true
		for _, a := range ancestors(j, p) {
			found[a] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Whatever the graph, the phases and the slots: see check. Each bed is built whole, and
// then what some edits change.
func TestRandomGraphs(t *testing.T) {
	seeds(t, 120, func(t *testing.T, r *rand.Rand) {
		b := randomBed(t, r)
		check(b, 1+r.IntN(4), false)
		for range 3 {
			b.edit(r, r.IntN(2) == 0)
			check(b, 1+r.IntN(4), r.IntN(4) == 0)
		}
	})
}

// A failure skips what hangs on it, and nothing else.
func TestFailureSkipsDependents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t,
			"base", "RUN base 1s", "bad", "FROM base\nRUN bad 1s fail", "child", "FROM bad\nRUN child 1s",
			"grandchild", "FROM child\nRUN grandchild 1s", "good", "FROM base\nRUN good 5s")
		report := b.bring()
		b.expect("base built", "bad failed", "child skipped", "grandchild skipped", "good built")
		for _, name := range []string{"child", "grandchild"} {
			if o := report.Outcome(name); o.Because != "bad" {
				t.Errorf("%s is skipped because of %q", name, o.Because)
			}
		}
		var failure *docker.BuildFailure
		if !errors.As(b.errs["bad"], &failure) || failure.Line != 2 || report.Critical != "" || report.Outcome("none") != nil {
			t.Errorf("%v", b.errs["bad"])
		}
		rec, _ := b.records.Load("bad")
		if rec == nil || !rec.Failed || rec.ImageID != "" || rec.FailedState != report.Outcome("bad").State {
			t.Errorf("record %+v", rec)
		}
		if rec, _ := b.records.Load("child"); rec != nil {
			t.Errorf("a skipped image has a record: %+v", rec)
		}
	})
}

// In a critical phase a failure starts nothing more, and cancels what runs of later
// phases; what runs of its own comes to its end.
func TestCriticalPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "bad", "RUN bad 5s fail", "same", "RUN same 9s", "quick", "RUN quick 1s", "later", "FROM quick\nRUN later 60s", "last", "RUN last 1s")
		b.phases = []impact.Phase{{Critical: true, Images: []string{"bad", "same", "quick"}}, {Images: []string{"later", "last"}}}
		report := b.bring(func(r *run.Run) { r.Slots = 3 })
		b.expect("quick built", "bad failed", "later canceled", "same built", "last skipped")
		if o := report.Outcome("last"); report.Critical != "bad" || o.Because != "bad" {
			t.Errorf("critical %q, because of %q", report.Critical, o.Because)
		}
		if rec, _ := b.records.Load("later"); rec != nil {
			t.Errorf("a cancelled build has a record: %+v", rec)
		}
	})
}

// An image of a critical phase that the plan keeps is built when its parent comes out
// another. Its failure counts like those of the others.
func TestCriticalPhaseOfAKeptImage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "base", "RUN base 1s", "tools", "FROM base\nRUN tools 1s", "app", "RUN app 60s")
		b.phases = []impact.Phase{{Images: []string{"base"}}, {Critical: true, Images: []string{"tools"}}, {Images: []string{"app"}}}
		b.bring()
		b.files["base"], b.files["app"] = "RUN other 1s", "RUN new 60s"
		j := b.job()
		kept := j.Plan.Image("tools")
		kept.Action, kept.Reasons = impact.Keep, nil
		j.Plan.Phases = slices.DeleteFunc(j.Plan.Phases, func(ph impact.Phase) bool { return ph.Critical })
		b.double.fails["tools"] = errors.New("no luck")
		report, err := b.run(t.Context(), j)
		if err != nil || report.Critical != "tools" {
			t.Errorf("%v, critical %q", err, report.Critical)
		}
		b.expect("base built", "tools failed", "app canceled")
	})
}

func TestFailFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "bad", "RUN bad 5s fail", "long", "RUN long 60s", "next", "RUN next 1s")
		report := b.bring(func(r *run.Run) { r.FailFast = true })
		b.expect("bad failed", "long canceled", "next skipped")
		if !errors.Is(b.errs["long"], report.Outcome("long").Err) || report.Critical != "" {
			t.Errorf("%v", b.errs["long"])
		}
	})
}

// A free slot goes to the earliest phase, then to the longest path by what builds are
// expected to take. No slots are one.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "late", "RUN late 1s", "short", "RUN short 1s", "long", "RUN long 1s", "after", "FROM long\nRUN after 1s")
		b.phases = []impact.Phase{{Images: []string{"short", "long", "after"}}, {Images: []string{"late"}}}
		b.costs = map[string]float64{"late": 99, "short": 2, "long": 1, "after": 5}
		b.bring(func(r *run.Run) { r.Slots = 0 })
		b.expect("long built", "after built", "short built", "late built")
	})
}

// An image that is not selected is not looked at, nor is one that the plan keeps and
// whose parents are kept.
func TestNothingToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "app", "RUN app 1s", "other", "RUN other 1s")
		b.selected = []string{"app"}
		b.bring()
		b.expect("app built")
		calls := b.double.calls
		report := b.bring()
		b.expect()
		if report.Audit != nil || b.double.calls != calls+1 { // that of the plan
			t.Errorf("%+v, %d calls", report.Audit, b.double.calls-calls)
		}
	})
}
