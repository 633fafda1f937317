package impact

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestScheduleOrder(t *testing.T) {
	s := NewSchedule([]Task{
		{Name: "short", Phase: 1, Cost: 1},
		{Name: "base", Phase: 0, Cost: 1},
		{Name: "long", Phase: 1, Cost: 5},
		{Name: "child", Parents: []string{"base", "elsewhere"}, Phase: 1, Cost: 9},
	})
	var got []string
	for {
		name, ok := s.Next()
		if !ok {
			break
		}
		got = append(got, name)
		s.Done(name)
	}
	if want := []string{"base", "child", "long", "short"}; !slices.Equal(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestMakespan holds the schedule against the bounds that no schedule can beat,
// the critical path and the work a slot has to do, on random graphs.
func TestMakespan(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var worst, total float64
	const graphs = 1000
	for range graphs {
		tasks := randomTasks(r)
		for _, slots := range []int{1, 2, 4, 8} {
			got, bound := Makespan(tasks, slots), lowerBound(tasks, slots)
			if got < bound-1e-9 {
				t.Fatalf("makespan %f below the bound %f", got, bound)
			}
			if 2*bound < got { // Graham's bound for list scheduling
				t.Fatalf("makespan %f is more than twice %f", got, bound)
			}
			worst, total = max(worst, got/bound), total+got/bound
		}
	}
	mean := total / (4 * graphs)
	t.Logf("makespan / max(critical path, work / slots): mean %.3f, worst %.3f", mean, worst)
	if mean > 1.1 {
		t.Errorf("mean makespan is %.3f of the bound, want at most 1.1", mean)
	}
}

func randomTasks(r *rand.Rand) []Task {
	var tasks []Task
	for i := range 21 + r.IntN(60) {
		task := Task{Name: fmt.Sprint(i), Cost: 1 + r.ExpFloat64()*10}
		for range r.IntN(3) {
			if i > 0 {
				p := r.IntN(min(i, 5+i/4))
				if name := fmt.Sprint(p); !slices.Contains(task.Parents, name) {
					task.Parents = append(task.Parents, name)
				}
			}
		}
		tasks = append(tasks, task)
	}
	return tasks
}

func lowerBound(tasks []Task, slots int) float64 {
	end := map[string]float64{}
	var work, path float64
	for _, t := range tasks {
		start := 0.0
		for _, p := range t.Parents {
			start = max(start, end[p])
		}
		end[t.Name] = start + t.Cost
		path = max(path, end[t.Name])
		work += t.Cost
	}
	return max(path, work/float64(slots))
}

func TestLongestPath(t *testing.T) {
	names, seconds := LongestPath([]Task{
		{Name: "base", Cost: 2},
		{Name: "other", Cost: 5},
		{Name: "short", Parents: []string{"base", "elsewhere"}, Cost: 1},
		{Name: "long", Parents: []string{"base"}, Cost: 4},
		{Name: "end", Parents: []string{"short", "long"}, Cost: 1},
	})
	if want := []string{"base", "long", "end"}; !slices.Equal(names, want) || seconds != 7 {
		t.Errorf("%q in %v, want %q in 7", names, seconds, want)
	}
	if names, seconds := LongestPath(nil); names != nil || seconds != 0 {
		t.Errorf("of nothing %q in %v", names, seconds)
	}
}
