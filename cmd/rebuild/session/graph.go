package session

import (
	"context"
	"slices"

	"rebuild/impact"
	"rebuild/impact/catalog"
	"rebuild/impact/tree"
)

// Graph is the images at a tree, without a plan.
type Graph struct {
	Images   *impact.Snapshot
	Phases   []impact.Phase
	Selected []string // that the query asks for
}

// PhaseOf gives the name of each image's phase.
func (g *Graph) PhaseOf() map[string]string {
	of := map[string]string{}
	for _, ph := range g.Phases {
		for _, name := range ph.Images {
			of[name] = ph.Name
		}
	}
	return of
}

// Apart are the images that are not selected, as their Dockerfiles were found among tests,
// examples or what others wrote.
func (g *Graph) Apart() []string {
	var out []string
	for _, im := range g.Images.Catalog.Images {
		if im.Apart != "" && !slices.Contains(g.Selected, im.Name) {
			out = append(out, im.Name)
		}
	}
	return out
}

// Graph reads the images at the query's target.
func (s *Session) Graph(ctx context.Context, q Query) (*Graph, error) {
	if err := s.needGit(q); err != nil {
		return nil, err
	}
	p := &Planned{query: q, view: tree.Bytes, scanner: s.scanner(false)}
	if err := s.readTarget(ctx, p); err != nil {
		return nil, err
	}
	cat := p.Target.Catalog
	phases, _, err := impact.Phases(p.Target)
	if err != nil {
		return nil, definitionFault(err, cat)
	}
	s.warnAll(cat.Warnings)
	selected, err := choose(q, cat, phases)
	return &Graph{Images: p.Target, Phases: phases, Selected: selected}, err
}

// Draft drafts a definition for the Dockerfiles found.
func (s *Session) Draft(ctx context.Context) (*catalog.Draft, error) {
	t, err := s.worktree(ctx, tree.Bytes)
	if err != nil {
		return nil, err
	}
	return catalog.NewDraft(ctx, t, catalog.Options{Root: s.Root, Dir: s.Dir})
}
