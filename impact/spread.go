package impact

import "slices"

// Place is where tasks are carried out: a builder, with how many images it builds at once.
type Place struct {
	Name  string
	Slots int
}

// Held says where the newest build of an image left its layers.
type Held struct {
	Place   string  // "": nobody knows
	Travels bool    // they are in a registry, too, from where every place takes them
	Seconds float64 // that making them took
}

// Spread says which image to start next, and where. It takes images in the order of a
// Schedule. Each goes where it ends first, as far as the estimates tell: where its parents'
// layers are, unless waiting there costs more than sending them. What does not travel is
// not made a second time while the place that has it is there: its dependents wait for
// that place.
//
// Of one place it is a Schedule with slots. Times are seconds, since any moment that is
// the same in all calls.
type Spread struct {
	sched  *Schedule
	tasks  map[string]spreadTask
	places []*place
	held   map[string]Held   // what the tasks and their parents are, as of now
	names  []string          // of the tasks, as given
	ties   map[string]*tie   // of each task
	at     map[string]*place // of what runs
}

// spreadTask is a Task with the places that failed it.
type spreadTask struct {
	Task
	avoids []string
}

// place is a Place with what is known of it.
type place struct {
	Place
	lost    bool
	running map[string]float64 // task -> when it is expected to end
}

// tie holds the tasks that are done at one place, as none takes what another place made.
type tie struct {
	tasks []string // that are not done, in the order given
	place *place   // nil: none of them was begun
}

// NewSpread spreads tasks over places; every parent must stand before its dependents. held
// is where earlier builds left images.
func NewSpread(tasks []Task, places []Place, held map[string]Held) *Spread {
	s := &Spread{
		sched: NewSchedule(tasks), tasks: map[string]spreadTask{}, held: map[string]Held{},
		ties: map[string]*tie{}, at: map[string]*place{},
	}
	for name, h := range held {
		s.held[name] = h
	}
	for _, p := range places {
		p.Slots = max(p.Slots, 1)
		s.places = append(s.places, &place{Place: p, running: map[string]float64{}})
	}
	for _, t := range tasks {
		s.tasks[t.Name] = spreadTask{Task: t}
		s.names = append(s.names, t.Name)
		own := &tie{tasks: []string{t.Name}}
		s.ties[t.Name] = own
		for _, p := range t.Parents {
			other := s.ties[p]
			if other == nil || other == own || s.tasks[p].Travels {
				continue
			}
			own.tasks = append(own.tasks, other.tasks...)
			for _, name := range other.tasks {
				s.ties[name] = own
			}
		}
	}
	return s
}

// Next takes the task to start now, and the place; ok is false when none is ready, or when
// each that is ready had better wait for a place that is full. The answer may be another
// when one is done, or later: an estimate was wrong.
func (s *Spread) Next(now float64) (name, at string, ok bool) {
	free := map[*place]float64{} // when each has a free slot
	full := true
	for _, p := range s.alive() {
		free[p] = s.freeAt(p, now)
		full = full && len(p.running) >= p.Slots
	}
	if full {
		return "", "", false
	}
	var waiting []string
	defer func() {
		for _, name := range waiting {
			s.sched.Return(name)
		}
	}()
	for {
		name, ok := s.sched.Next()
		if !ok {
			return "", "", false
		}
		if p := s.at[name]; p != nil { // a build that was begun before
			return name, p.Name, true
		}
		p := s.choose(name, free)
		if len(p.running) >= p.Slots {
			waiting = append(waiting, name)
			continue
		}
		s.at[name] = p
		if t := s.ties[name]; t.place == nil {
			t.place = p
		}
		p.running[name] = now + max(leastSeconds, s.duration(name, p))
		return name, p.Name, true
	}
}

// leastSeconds is what a task is taken to last that was started: nothing ends at once.
const leastSeconds = 0.1

// Waits tells whether a task is ready and waits for a place that is full, while another
// has a free slot.
func (s *Spread) Waits() bool {
	return len(s.sched.ready) > 0 && slices.ContainsFunc(s.alive(), func(p *place) bool { return len(p.running) < p.Slots })
}

// Made says that a task is done, and that its place has what it made.
func (s *Spread) Made(name string) {
	h := Held{Travels: s.tasks[name].Travels, Seconds: max(s.held[name].Seconds, s.tasks[name].Cost)}
	if p := s.at[name]; p != nil {
		h.Place = p.Name
	}
	s.held[name] = h
	s.Done(name)
}

// Done says that a task is done, and that nothing was made: what there was of it is where
// it was.
func (s *Spread) Done(name string) {
	s.Ended(name)
	if t := s.ties[name]; t != nil {
		t.tasks = slices.DeleteFunc(t.tasks, func(other string) bool { return other == name })
	}
	s.sched.Done(name)
}

// Return makes a task that Next gave ready again.
func (s *Spread) Return(name string) {
	s.Ended(name)
	s.sched.Return(name)
}

// Occupy says that a build of an image runs already, which is a task or none.
func (s *Spread) Occupy(name, at string, now float64) {
	for _, p := range s.places {
		if p.Name == at {
			s.at[name] = p
			p.running[name] = now + s.seconds(name, p)
		}
	}
}

// Ended gives the slot of a task back, whatever became of it.
func (s *Spread) Ended(name string) {
	if p := s.at[name]; p != nil {
		delete(p.running, name)
		delete(s.at, name)
	}
}

// Avoid says that a place failed a task: it goes there no more unless no other is left.
func (s *Spread) Avoid(name, at string) {
	t := s.tasks[name]
	t.avoids = append(slices.Clone(t.avoids), at)
	s.tasks[name] = t
}

// Lose gives a place up: nothing more goes there, and what only it had is made anew where
// it is needed. What ran there is returned by the caller.
func (s *Spread) Lose(at string) {
	for _, p := range s.places {
		if p.Name != at {
			continue
		}
		p.lost = true
		for _, t := range s.ties {
			if t.place == p {
				t.place = nil
			}
		}
	}
	for name, h := range s.held {
		if h.Place == at {
			h.Place = ""
			s.held[name] = h
		}
	}
}

func (s *Spread) alive() []*place {
	return slices.DeleteFunc(slices.Clone(s.places), func(p *place) bool { return p.lost })
}

// choose is where a task goes. free says when each place that is there has a free slot.
func (s *Spread) choose(name string, free map[*place]float64) *place {
	t, able := s.ties[name], s.able(name)
	switch {
	case len(able) == 1:
		return able[0]
	case slices.Contains(able, t.place):
		return t.place
	}
	var best *place
	var bestAgain int
	var bestEnd float64
	for _, p := range able {
		again, end := 0, free[p]
		for _, name := range t.tasks {
			if !slices.Contains(s.able(name), p) {
				again++ // its parents, where it can be done
				continue
			}
			n, _ := s.arrival(name, p)
			again, end = again+n, end+s.duration(name, p)
		}
		if best == nil || again < bestAgain || again == bestAgain && end < bestEnd {
			best, bestAgain, bestEnd = p, again, end
		}
	}
	return best
}

// able are the places that are there and can do a task; when none can, the task itself
// will say so.
func (s *Spread) able(name string) []*place {
	t := s.tasks[name]
	left := without(s.alive(), func(p *place) bool { return slices.Contains(t.avoids, p.Name) })
	if t.Places == nil {
		return left
	}
	return without(left, func(p *place) bool { return !slices.Contains(t.Places, p.Name) })
}

// without takes places out, unless none would be left.
func without(all []*place, out func(*place) bool) []*place {
	if left := slices.DeleteFunc(slices.Clone(all), out); len(left) > 0 {
		return left
	}
	return all
}

// sendShare is how long sending an image's layers through a registry takes, beside making
// them, and sendLeast the least. The layers' size is not known before they are sent. Steps
// that compile make less in that time than those that download, for which it is too low: a
// place with a free slot is then used too readily, never wrongly.
const (
	sendShare = 0.1
	sendLeast = 1 // second
)

// arrival is what it takes until a task's parents from outside of its tie are at a place:
// how many must be made again, and the seconds.
func (s *Spread) arrival(name string, p *place) (again int, seconds float64) {
	for _, parent := range s.tasks[name].Parents {
		h, known := s.held[parent]
		if !known || h.Place == p.Name {
			continue
		}
		if other := s.ties[parent]; other != nil && other == s.ties[name] && slices.Contains(other.tasks, parent) {
			continue // it will be made at the same place
		}
		switch {
		case h.Travels:
			seconds += max(sendLeast, sendShare*h.Seconds)
		case h.Place != "":
			again++
			seconds += h.Seconds
		}
	}
	return again, seconds
}

// duration is what a task is expected to take at a place, with the arrival of its parents.
func (s *Spread) duration(name string, p *place) float64 {
	_, arrive := s.arrival(name, p)
	return arrive + s.seconds(name, p)
}

// seconds is what a task takes at a place by itself: where it was not made before, nothing of it is
// cached.
func (s *Spread) seconds(name string, p *place) float64 {
	cost := s.tasks[name].Cost
	if h, ok := s.held[name]; ok && h.Place != "" && h.Place != p.Name {
		return max(cost, h.Seconds)
	}
	return cost
}

// freeAt is when a place has a slot for one more task, after those that are tied to it.
func (s *Spread) freeAt(p *place, now float64) float64 {
	slots := make([]float64, 0, p.Slots+1)
	for _, end := range p.running {
		if end < now {
			end = now + (now - end) // it takes longer than expected: as long again, for all that is known
		}
		slots = append(slots, end)
	}
	for len(slots) < p.Slots {
		slots = append(slots, now)
	}
	if len(s.places) == 1 {
		return slices.Min(slots)
	}
	seen := map[*tie]bool{}
	for _, name := range s.names {
		t := s.ties[name]
		if t.place != p || seen[t] {
			continue
		}
		seen[t] = true
		for _, name := range t.tasks {
			if _, runs := p.running[name]; !runs {
				next := slices.Index(slots, slices.Min(slots))
				slots[next] += s.seconds(name, p)
			}
		}
	}
	return slices.Min(slots)
}
