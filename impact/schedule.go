package impact

import (
	"container/heap"
	"slices"
)

// Task is one image of a run, as the schedule sees it.
type Task struct {
	Name    string
	Parents []string // tasks that must be done first; names that are no task count as done
	Phase   int
	Cost    float64  // seconds, estimated
	Places  []string // that can do it, the best ones only; nil: each can
	Travels bool     // what it makes is in a registry as well, from where every place takes it
}

// Schedule says which image to start next. A task is ready as soon as all its
// parents are done; of the ready ones the earliest phase comes first, then the
// longest path that still hangs on it, then the order given.
type Schedule struct {
	tasks      map[string]*scheduled
	ready      readyQueue
	dependents map[string][]string
}

type scheduled struct {
	Task
	order   int
	waiting int     // parents that are not done
	path    float64 // seconds from its start to the end of all that hangs on it
}

// NewSchedule orders tasks; every parent must stand before its dependents.
func NewSchedule(tasks []Task) *Schedule {
	s := &Schedule{tasks: map[string]*scheduled{}, dependents: map[string][]string{}}
	for i, t := range tasks {
		st := &scheduled{Task: t, order: i}
		s.tasks[t.Name] = st
		for _, p := range t.Parents {
			if s.tasks[p] != nil {
				st.waiting++
				s.dependents[p] = append(s.dependents[p], t.Name)
			}
		}
	}
	for _, t := range slices.Backward(tasks) {
		st := s.tasks[t.Name]
		for _, d := range s.dependents[t.Name] {
			st.path = max(st.path, s.tasks[d].path)
		}
		st.path += t.Cost
	}
	for _, t := range tasks {
		if st := s.tasks[t.Name]; st.waiting == 0 {
			heap.Push(&s.ready, st)
		}
	}
	return s
}

// Next takes the task to start now; ok is false when none is ready.
func (s *Schedule) Next() (name string, ok bool) {
	if len(s.ready) == 0 {
		return "", false
	}
	return heap.Pop(&s.ready).(*scheduled).Name, true
}

// Return makes a task that Next gave ready again.
func (s *Schedule) Return(name string) { heap.Push(&s.ready, s.tasks[name]) }

// Done makes the tasks ready that waited only for this one.
func (s *Schedule) Done(name string) {
	for _, d := range s.dependents[name] {
		t := s.tasks[d]
		if t.waiting--; t.waiting == 0 {
			heap.Push(&s.ready, t)
		}
	}
}

// LongestPath gives the tasks that take longest one after another, each a parent of the
// next, with the seconds that they take. Every parent must stand before its dependents.
func LongestPath(tasks []Task) (names []string, seconds float64) {
	s := NewSchedule(tasks)
	for _, t := range tasks {
		if st := s.tasks[t.Name]; st.waiting == 0 && st.path > seconds {
			names, seconds = []string{t.Name}, st.path
		}
	}
	if len(names) == 0 {
		return nil, 0
	}
	for at := s.tasks[names[0]]; ; {
		var next *scheduled
		for _, d := range s.dependents[at.Name] {
			if next == nil || s.tasks[d].path > next.path {
				next = s.tasks[d]
			}
		}
		if next == nil {
			return names, seconds
		}
		names = append(names, next.Name)
		at = next
	}
}

// readyQueue is a heap of tasks that can start.
type readyQueue []*scheduled

func (q readyQueue) Len() int      { return len(q) }
func (q readyQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q readyQueue) Less(i, j int) bool {
	a, b := q[i], q[j]
	if a.Phase != b.Phase {
		return a.Phase < b.Phase
	}
	if a.path != b.path {
		return a.path > b.path
	}
	return a.order < b.order
}

// Push and Pop implement heap.Interface.
func (q *readyQueue) Push(x any) { *q = append(*q, x.(*scheduled)) }
func (q *readyQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
