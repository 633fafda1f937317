package session

import (
	"context"
	"fmt"
	"slices"

	"rebuild/impact"
	"rebuild/impact/catalog"
	"rebuild/impact/llb"
)

// BakeFile words the selected images, and all that they are built on or name as a
// context, as a bake file: each image's parents are its contexts. An image whose
// definition bake would refuse is left out, and said: it would take the others with it.
// It is an error when nothing else is left.
func (s *Session) BakeFile(ctx context.Context, q Query, g *Graph) ([]byte, error) {
	t, err := s.byteTree(ctx, q)
	if err != nil {
		return nil, err
	}
	cat, err := s.catalog(ctx, q, t, true) // a build needs the time and chance of now
	if err != nil {
		return nil, err
	}
	p := printing{now: cat, graph: g.Images, printed: map[string]bool{}}
	var selected []string
	var refused *impact.Fault
	for _, name := range g.Selected {
		if fault := p.fault(name, map[string]bool{}); fault != nil {
			s.warn(fmt.Sprintf("%s is not printed: %v", name, fault))
			refused = fault
			continue
		}
		selected = append(selected, name)
		p.print(name)
	}
	if len(selected) == 0 && refused != nil {
		return nil, refused
	}
	var targets []catalog.BakeTarget
	for _, im := range cat.Images {
		if !p.printed[im.Name] {
			continue
		}
		target := catalog.BakeTarget{Image: im, Parents: p.parents(im.Name)}
		if len(im.Substitute) > 0 {
			if im.Unshown {
				return nil, &impact.Fault{Path: im.Dockerfile, Cause: "it lies outside of the repository, and what it says is not printed before that was allowed", Hint: "rebuild allow " + impact.ShellWord(im.Name)}
			}
			text, err := llb.Text(ctx, im, t.ReadFile)
			if err != nil {
				return nil, err
			}
			target.Text = string(text)
		}
		targets = append(targets, target)
	}
	return catalog.BakeFile(targets, selected, s.Dir)
}

// printing chooses what a bake file needs.
type printing struct {
	now     impact.Catalog   // with the real values of what a definition computes
	graph   *impact.Snapshot // with those that are the same each time
	printed map[string]bool
}

// needs are the images that bake looks at for one: its parents, and those that it names as
// contexts, whether its Dockerfile reads them or not.
func (p printing) needs(name string) []string {
	names := p.graph.ParentsOf(name)
	im, _ := p.now.Image(name)
	for _, c := range im.Contexts {
		if c.Image != "" && !slices.Contains(names, c.Image) {
			names = append(names, c.Image)
		}
	}
	return names
}

// print takes up an image with all that it needs.
func (p printing) print(name string) {
	if p.printed[name] {
		return
	}
	p.printed[name] = true
	for _, n := range p.needs(name) {
		p.print(n)
	}
}

// fault is what is wrong with the definition of an image, or of one that it needs.
func (p printing) fault(name string, seen map[string]bool) *impact.Fault {
	if seen[name] {
		return nil
	}
	seen[name] = true
	im, _ := p.now.Image(name)
	if im.Fault != nil {
		return im.Fault
	}
	for _, n := range p.needs(name) {
		if f := p.fault(n, seen); f != nil {
			return f
		}
	}
	return nil
}

// parents are an image's parents under the references that they have now: that of a tag
// which holds a time is another in the graph.
func (p printing) parents(name string) []impact.Parent {
	parents := slices.Clone(p.graph.States[name].Parents)
	for i, parent := range parents {
		fixed, _ := p.graph.Catalog.Image(parent.Image)
		now, _ := p.now.Image(parent.Image)
		if at := slices.Index(fixed.Refs, parent.Ref); at >= 0 && at < len(now.Refs) {
			parents[i].Ref = now.Refs[at]
		}
	}
	return parents
}
