package impact

import "slices"

// Makespan is how long a run of the tasks takes on so many slots of one place, in seconds,
// if each costs what is estimated.
func Makespan(tasks []Task, slots int) float64 {
	return NewSpread(tasks, []Place{{Slots: slots}}, nil).Makespan(nil)
}

// Makespan carries the tasks out as estimated, and gives the seconds. begun, which may be
// nil, is told what begins where, and when.
func (s *Spread) Makespan(begun func(task, at string, now float64)) float64 {
	type running struct {
		name string
		end  float64
	}
	var now float64
	var active []running
	for {
		for {
			name, at, ok := s.Next(now)
			if !ok {
				break
			}
			if begun != nil {
				begun(name, at, now)
			}
			active = append(active, running{name, now + s.duration(name, s.at[name])})
		}
		if len(active) == 0 {
			return now
		}
		first := 0
		for i := range active {
			if active[i].end < active[first].end {
				first = i
			}
		}
		now = active[first].end
		s.Made(active[first].name)
		active = slices.Delete(active, first, first+1)
	}
}
