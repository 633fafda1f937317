package run_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"rebuild/docker"
	"rebuild/docker/run"
	"rebuild/impact"
)

func tracked(name string, seconds float64, parents ...string) impact.ImagePlan {
	return impact.ImagePlan{Name: name, Action: impact.Rebuild, Selected: true, Parents: parents, Estimate: &seconds}
}

// onTwo is how long tasks take with two slots.
func onTwo(tasks []impact.Task) float64 { return impact.Makespan(tasks, 2) }

// A tracker counts images once each, and knows what is left by what has passed.
func TestTracker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole := 60.0
		plan := &impact.Plan{
			Estimate: &whole,
			Phases:   []impact.Phase{{Name: "one", Images: []string{"base"}}, {Name: "two", Images: []string{"app", "side"}}},
			Images: []impact.ImagePlan{
				tracked("base", 20, "outside"), tracked("app", 30, "base"), tracked("side", 10),
				{Name: "kept", Action: impact.Keep, Selected: true, Parents: []string{"base"}},
			},
		}
		tr := run.NewTracker(plan, onTwo)
		is := func(done, all, failed int, left float64, longest ...string) run.Progress {
			t.Helper()
			now := tr.Now()
			if now.Done != done || now.All != all || now.Failed != failed || now.Left == nil || *now.Left != left || !slices.Equal(now.Longest, longest) {
				t.Errorf("%+v, left %v", now, *now.Left)
			}
			return now
		}
		is(0, 3, 0, 50, "base", "app")
		tr.Observe("base", docker.NewStepLog(), nil)
		tr.Observe("side", docker.NewStepLog(), nil)
		time.Sleep(5 * time.Second)
		now := is(0, 3, 0, 45, "base", "app")
		if b := now.Builds; len(b) != 2 || b[0].Image != "base" || b[0].Phase != "one" || b[0].Elapsed != 5 || *b[0].Left != 15 || b[0].Layer != nil || *b[1].Left != 5 {
			t.Errorf("%+v", b)
		}
		if !slices.Equal(now.Phases, []string{"one", "two"}) {
			t.Errorf("phases %q", now.Phases)
		}
		time.Sleep(10 * time.Second)
		if now = is(0, 3, 0, 35, "base", "app"); now.Builds[1].Left != nil {
			t.Errorf("of a build over its time there is left %v", *now.Builds[1].Left)
		}
		tr.Observe("side", nil, &run.Outcome{Image: "side", Status: run.Failed})
		tr.Observe("base", nil, &run.Outcome{Image: "base", Status: run.Built})
		is(2, 3, 1, 30, "app")
		// One that was to be kept is built, and another only looked at.
		tr.Observe("kept", docker.NewStepLog(), nil)
		is(2, 4, 1, 30, "app")
		tr.Observe("kept", nil, &run.Outcome{Image: "kept", Status: run.Built})
		tr.Observe("other", nil, &run.Outcome{Image: "other", Status: run.Kept})
		is(3, 4, 1, 30, "app")
		tr.Observe("app", nil, &run.Outcome{Image: "app", Status: run.CutOff})
		is(4, 4, 1, 0)

		plan.Estimate = nil
		if now := run.NewTracker(plan, onTwo).Now(); now.Left != nil || now.Longest != nil {
			t.Errorf("without a history %+v", now)
		}
	})
}
