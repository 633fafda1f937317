package session

import (
	"context"
	"slices"

	"rebuild/impact"
	"rebuild/impact/catalog"
	"rebuild/impact/llb"
	"rebuild/impact/tree"
)

// Graph is the images at a tree, without a plan.
type Graph struct {
	Images   *impact.Snapshot
	Phases   []impact.Phase
	Selected []string // that the query asks for
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

// BakeFile words the selected images, and all that they are built on, as a bake file: each
// image's parents are its contexts.
func (s *Session) BakeFile(ctx context.Context, q Query, g *Graph) ([]byte, error) {
	t, err := s.byteTree(ctx, q)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, name := range g.Selected {
		wanted[name] = true
	}
	for _, name := range slices.Backward(g.Images.Order) { // dependents before their parents
		if wanted[name] {
			for _, parent := range g.Images.ParentsOf(name) {
				wanted[parent] = true
			}
		}
	}
	var targets []catalog.BakeTarget
	for _, im := range g.Images.Catalog.Images {
		switch {
		case !wanted[im.Name]:
			continue
		case im.Fault != nil:
			return nil, im.Fault
		}
		target := catalog.BakeTarget{Image: im, Parents: g.Images.States[im.Name].Parents}
		if len(im.Substitute) > 0 {
			text, err := llb.Text(ctx, im, t.ReadFile)
			if err != nil {
				return nil, err
			}
			target.Text = string(text)
		}
		targets = append(targets, target)
	}
	return catalog.BakeFile(targets, g.Selected, s.Dir)
}

// Draft drafts a definition for the Dockerfiles found.
func (s *Session) Draft(ctx context.Context) (*catalog.Draft, error) {
	t, err := s.worktree(ctx, tree.Bytes)
	if err != nil {
		return nil, err
	}
	return catalog.NewDraft(ctx, t, catalog.Options{Root: s.Root, Dir: s.Dir})
}
