package impact

import (
	"fmt"
	"slices"
)

// Phases gives each image of a snapshot its phase: as the catalog declares them
// or, with none declared, by depth in the image graph. The phases come in order
// and together hold each image once. A declared phase that contradicts the
// dependencies is an error that names both images.
func Phases(s *Snapshot) ([]Phase, map[string]int, error) {
	phases := s.Catalog.Phases
	if len(phases) == 0 {
		phases = byDepth(s)
	}
	of := map[string]int{}
	for i, p := range phases {
		for _, name := range p.Images {
			of[name] = i
		}
	}
	for _, name := range s.Order {
		for _, parent := range s.ParentsOf(name) {
			if of[parent] > of[name] {
				return nil, nil, &Fault{
					Cause: fmt.Sprintf("phase %q holds %s, but it is built on %s of the later phase %q", phases[of[name]].Name, name, parent, phases[of[parent]].Name),
					Hint:  fmt.Sprintf("move %s to an earlier phase, or %s to a later one", parent, name),
				}
			}
		}
	}
	return phases, of, nil
}

func byDepth(s *Snapshot) []Phase {
	depth := map[string]int{}
	var phases []Phase
	for _, name := range s.Order {
		d := 0
		for _, p := range s.ParentsOf(name) {
			d = max(d, depth[p]+1)
		}
		depth[name] = d
		for len(phases) <= d {
			phases = append(phases, Phase{Name: fmt.Sprintf("phase %d", len(phases)+1)})
		}
	}
	for _, name := range s.Catalog.Names() {
		if slices.Contains(s.Order, name) {
			phases[depth[name]].Images = append(phases[depth[name]].Images, name)
		}
	}
	return phases
}
