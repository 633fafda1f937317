package session

import (
	"context"
	"maps"
	"slices"

	"rebuild/impact/tree"
)

// Names are what can be named on the command line.
type Names struct {
	Images, Groups, Phases []string
}

// Names reads the names that the definitions at the query's target give. No Dockerfile is
// converted, so that phases are those that are declared.
func (s *Session) Names(ctx context.Context, q Query) (Names, error) {
	if err := s.needGit(q); err != nil {
		return Names{}, err
	}
	t, _, err := s.target(ctx, q, tree.Bytes)
	if err != nil {
		return Names{}, err
	}
	cat, err := s.catalog(ctx, q, t, false)
	if err != nil {
		return Names{}, err
	}
	names := Names{Groups: slices.Sorted(maps.Keys(cat.Groups))}
	for _, im := range cat.Images {
		if !im.Unwanted {
			names.Images = append(names.Images, im.Name)
		}
	}
	for _, ph := range cat.Phases {
		names.Phases = append(names.Phases, ph.Name)
	}
	return names, nil
}
