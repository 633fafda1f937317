package impact

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// trial is a run in simulation: builds take what they take, not what was estimated, and
// places are lost in the middle.
type trial struct {
	r      *rand.Rand
	tasks  []Task
	places []Place
	held   map[string]Held

	spread *Spread
	now    float64
	active map[string]float64 // task -> its end
	at     map[string]string  // task -> where it was done last
	done   map[string]bool
	lost   map[string]bool
	begun  int
}

func newTrial(r *rand.Rand) *trial {
	tr := &trial{
		r: r, tasks: randomTasks(r), held: map[string]Held{},
		active: map[string]float64{}, at: map[string]string{}, done: map[string]bool{}, lost: map[string]bool{},
	}
	for i := range 1 + r.IntN(4) {
		tr.places = append(tr.places, Place{Name: fmt.Sprint("builder", i), Slots: 1 + r.IntN(4)})
	}
	for i := range r.IntN(8) { // images that are kept
		name := fmt.Sprint("kept", i)
		tr.held[name] = tr.before()
		for range 1 + r.IntN(3) {
			t := &tr.tasks[r.IntN(len(tr.tasks))]
			if !slices.Contains(t.Parents, name) {
				t.Parents = append(t.Parents, name)
			}
		}
	}
	particular, travels := r.IntN(3) == 0, r.IntN(3)
	for i := range tr.tasks {
		if r.IntN(2) == 0 {
			tr.held[tr.tasks[i].Name] = tr.before()
		}
		tr.tasks[i].Travels = travels > 0 && (travels == 1 || r.IntN(2) == 0)
		if particular && r.IntN(10) == 0 {
			tr.tasks[i].Places = []string{tr.places[r.IntN(len(tr.places))].Name, "unknown"}
		}
	}
	return tr
}

// before is where an earlier run left an image.
func (tr *trial) before() Held {
	h := Held{Travels: tr.r.IntN(2) == 0, Seconds: tr.r.Float64() * 60}
	if n := tr.r.IntN(len(tr.places) + 1); n > 0 {
		h.Place = tr.places[n-1].Name
	}
	return h
}

func (tr *trial) task(name string) Task {
	i := slices.IndexFunc(tr.tasks, func(t Task) bool { return t.Name == name })
	return tr.tasks[i]
}

// run carries the tasks out, and gives what is wrong with the first that is begun wrongly.
func (tr *trial) run() error {
	tr.spread = NewSpread(tr.tasks, tr.places, tr.held)
	loses := len(tr.places) - 1
	for {
		for {
			name, at, ok := tr.spread.Next(tr.now)
			if !ok {
				break
			}
			if err := tr.right(name, at); err != nil {
				return err
			}
			tr.begun++
			tr.active[name], tr.at[name] = tr.now+tr.task(name).Cost*(0.2+2*tr.r.Float64()), at
		}
		if len(tr.active) == 0 {
			break
		}
		if tr.spread.Waits() && tr.r.IntN(3) == 0 {
			tr.now += tr.r.Float64() // nothing ended
			continue
		}
		if loses > 0 && tr.r.IntN(20) == 0 {
			loses--
			tr.lose()
			continue
		}
		next := slices.MinFunc(slices.Sorted(maps.Keys(tr.active)), func(a, b string) int {
			if tr.active[a] < tr.active[b] {
				return -1
			}
			return 1
		})
		tr.now = max(tr.now, tr.active[next])
		delete(tr.active, next)
		tr.done[next] = true
		if tr.r.IntN(5) == 0 {
			delete(tr.at, next) // it came out as it was: nothing was made
			tr.spread.Done(next)
		} else {
			tr.spread.Made(next)
		}
	}
	if len(tr.done) != len(tr.tasks) {
		return fmt.Errorf("%d of %d tasks are done", len(tr.done), len(tr.tasks))
	}
	return nil
}

// lose takes a place away in the middle of what it does.
func (tr *trial) lose() {
	var there []string
	for _, p := range tr.places {
		if !tr.lost[p.Name] {
			there = append(there, p.Name)
		}
	}
	at := there[tr.r.IntN(len(there))]
	tr.lost[at] = true
	tr.spread.Lose(at)
	for _, name := range slices.Sorted(maps.Keys(tr.active)) {
		if tr.at[name] == at {
			delete(tr.active, name)
			delete(tr.at, name)
			tr.spread.Return(name)
		}
	}
}

// right tells whether a task may begin at a place.
func (tr *trial) right(name, at string) error {
	running := 0
	for other := range tr.active {
		if tr.at[other] == at {
			running++
		}
	}
	place := tr.places[slices.IndexFunc(tr.places, func(p Place) bool { return p.Name == at })]
	if running >= place.Slots || tr.lost[at] {
		return fmt.Errorf("%s begins on %s, where %d of %d run, lost: %t", name, at, running, place.Slots, tr.lost[at])
	}
	t := tr.task(name)
	if can := slices.DeleteFunc(slices.Clone(t.Places), func(p string) bool { return p == "unknown" || tr.lost[p] }); len(can) > 0 && !slices.Contains(can, at) {
		return fmt.Errorf("%s begins on %s, and only %q can do it", name, at, can)
	}
	if tr.done[name] || tr.active[name] > 0 {
		return fmt.Errorf("%s begins twice", name)
	}
	for _, p := range t.Parents {
		isTask := slices.ContainsFunc(tr.tasks, func(t Task) bool { return t.Name == p })
		if isTask && !tr.done[p] {
			return fmt.Errorf("%s begins before its parent %s is done", name, p)
		}
		if where := tr.at[p]; isTask && where != "" && where != at && !tr.task(p).Travels && !tr.lost[where] && !tr.particular() {
			return fmt.Errorf("%s begins on %s, and its parent %s is on %s alone", name, at, p, where)
		}
	}
	return nil
}

// particular tells whether a task can be done at certain places only: then what one place
// made may have to be made again at another.
func (tr *trial) particular() bool {
	return slices.ContainsFunc(tr.tasks, func(t Task) bool { return t.Places != nil })
}

// TestSpread holds random runs against what every run must keep to: a task begins after
// its parents and once, where a slot is free, and where what its parents made can be had.
func TestSpread(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for i := range uint64(1000) {
		tr := newTrial(rand.New(rand.NewPCG(seed, i)))
		if err := tr.run(); err != nil {
			t.Fatalf("run %d: %v", i, err)
		}
	}
}

// begins gives where each task begins, in order, when all takes what is estimated.
func begins(s *Spread) (list []string, seconds float64) {
	seconds = s.Makespan(func(task, at string, now float64) { list = append(list, fmt.Sprintf("%s on %s at %g", task, at, now)) })
	return list, seconds
}

// travelling says of tasks whether what they make travels.
func travelling(tasks []Task, travels bool) []Task {
	for i := range tasks {
		tasks[i].Travels = travels
	}
	return tasks
}

func TestSpreadChoice(t *testing.T) {
	both := []Place{{Name: "a", Slots: 1}, {Name: "b", Slots: 1}}
	tests := map[string]struct {
		tasks   []Task
		held    map[string]Held
		travels bool
		want    []string
	}{
		"independent images go to both": {
			tasks: []Task{{Name: "x", Cost: 3}, {Name: "y", Cost: 2}, {Name: "z", Cost: 2}},
			want:  []string{"x on a at 0", "y on b at 0", "z on b at 2"},
		},
		"a child goes to its parent": {
			tasks:   []Task{{Name: "x", Cost: 30}, {Name: "y", Cost: 31}, {Name: "child", Parents: []string{"x"}, Cost: 5}},
			travels: true,
			want:    []string{"x on a at 0", "y on b at 0", "child on a at 30"},
		},
		"waiting costs more than sending": {
			tasks:   []Task{{Name: "x", Cost: 30}, {Name: "long", Parents: []string{"x"}, Cost: 20}, {Name: "short", Parents: []string{"x"}, Cost: 10}},
			travels: true,
			want:    []string{"x on a at 0", "long on a at 30", "short on b at 30"},
		},
		"sending costs more than waiting": {
			tasks:   []Task{{Name: "x", Cost: 300}, {Name: "long", Parents: []string{"x"}, Cost: 20}, {Name: "short", Parents: []string{"x"}, Cost: 10}},
			travels: true,
			want:    []string{"x on a at 0", "long on a at 300", "short on a at 320"},
		},
		"what does not travel stays": {
			tasks: []Task{{Name: "x", Cost: 1}, {Name: "long", Parents: []string{"x"}, Cost: 20}, {Name: "short", Parents: []string{"x"}, Cost: 10}, {Name: "other", Cost: 30}},
			want:  []string{"other on a at 0", "x on b at 0", "long on b at 1", "short on b at 21"},
		},
		"a kept parent is where it was built": {
			tasks: []Task{{Name: "x", Parents: []string{"base"}, Cost: 20}, {Name: "y", Parents: []string{"base"}, Cost: 10}},
			held:  map[string]Held{"base": {Place: "b", Seconds: 1}},
			want:  []string{"x on b at 0", "y on b at 20"},
		},
		"what was built before is cached there": {
			tasks: []Task{{Name: "x", Cost: 2}, {Name: "y", Cost: 1}},
			held:  map[string]Held{"x": {Place: "b", Seconds: 60}, "y": {Place: "b", Seconds: 60}},
			want:  []string{"x on b at 0", "y on b at 2"},
		},
		"one place can do it": {
			tasks: []Task{{Name: "x", Cost: 2, Places: []string{"b"}}, {Name: "y", Cost: 2, Places: []string{"b"}}, {Name: "z", Cost: 1}},
			want:  []string{"x on b at 0", "z on a at 0", "y on b at 2"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, _ := begins(NewSpread(travelling(tt.tasks, tt.travels), both, tt.held))
			if !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// A task that takes longer than expected is not waited for without end.
func TestSpreadOverdue(t *testing.T) {
	s := NewSpread([]Task{{Name: "x", Cost: 10}, {Name: "y", Cost: 2}}, []Place{{Name: "a", Slots: 1}, {Name: "b", Slots: 1}},
		map[string]Held{"y": {Place: "a", Seconds: 60}})
	if name, at, _ := s.Next(0); name != "x" || at != "a" {
		t.Fatalf("%s on %s", name, at)
	}
	for _, now := range []float64{0, 12, 60} {
		if name, at, ok := s.Next(now); ok || !s.Waits() {
			t.Errorf("after %g s %s is begun on %s", now, name, at)
		}
	}
	if name, at, _ := s.Next(70); name != "y" || at != "b" {
		t.Errorf("%s on %s", name, at)
	}
}

// speechPipeline is the speech pipeline: minutes of its 21 images as its script builds them.
func speechPipeline() []Task {
	tasks := []Task{{Name: "base-cpu", Cost: 8}, {Name: "base-cuda", Cost: 14}, {Name: "base-ml-cuda", Parents: []string{"base-cuda"}, Cost: 28}}
	for i, cost := range []float64{4, 3, 6, 5, 3, 7} {
		tasks = append(tasks, Task{Name: fmt.Sprint("cpu", i), Parents: []string{"base-cpu"}, Phase: 1, Cost: cost})
	}
	for i, cost := range []float64{9, 12, 15, 8, 10, 11} {
		tasks = append(tasks, Task{Name: fmt.Sprint("cuda", i), Parents: []string{"base-ml-cuda"}, Phase: 2, Cost: cost})
	}
	for i, cost := range []float64{7, 9, 11, 6, 8, 9} {
		tasks = append(tasks, Task{Name: fmt.Sprint("fallback", i), Parents: []string{"base-cpu"}, Phase: 3, Cost: cost})
	}
	return tasks
}

// What a second builder gains, in simulation.
func TestSpreadGains(t *testing.T) {
	var equal []Task
	for i := range 12 {
		equal = append(equal, Task{Name: fmt.Sprint(i), Cost: 3})
	}
	tests := map[string]struct {
		tasks   []Task
		travels bool
		least   float64
	}{
		"12 equal images":                 {tasks: equal, least: 1.7},
		"the pipeline, with a registry":   {tasks: speechPipeline(), travels: true, least: 1.5},
		"the pipeline, without":           {tasks: speechPipeline(), least: 1.3},
		"the pipeline after a stage edit": {tasks: speechPipeline()[3:], travels: true, least: 1.7},
	}
	for name, tt := range tests {
		tasks := travelling(tt.tasks, tt.travels)
		one := NewSpread(tasks, []Place{{Name: "a", Slots: 1}}, nil).Makespan(nil)
		two := NewSpread(tasks, []Place{{Name: "a", Slots: 1}, {Name: "b", Slots: 1}}, nil).Makespan(nil)
		t.Logf("%s: %.2fx", name, one/two)
		if one/two < tt.least {
			t.Errorf("%s: %.2fx, want at least %.1fx", name, one/two, tt.least)
		}
	}
}
