package session

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"rebuild/impact"
	"rebuild/impact/catalog"
	"rebuild/impact/safefile"
	"rebuild/impact/spelling"
	"rebuild/impact/tree"
)

// catalog reads the definitions at a tree. With volatile, what they compute from time or
// chance has its real value.
func (s *Session) catalog(ctx context.Context, q Query, t tree.Tree, volatile bool) (impact.Catalog, error) {
	if q.Catalog != nil {
		return *q.Catalog, nil
	}
	return s.catalogWith(ctx, q, t, volatile, func() ([]string, error) { return s.given(q, "") })
}

// catalogWith is catalog with what definitions are allowed.
func (s *Session) catalogWith(ctx context.Context, q Query, t tree.Tree, volatile bool, allowed func() ([]string, error)) (impact.Catalog, error) {
	files := make([]string, len(q.Files))
	for i, f := range q.Files {
		files[i] = s.definitionPath(f)
	}
	cat, err := catalog.Load(ctx, t, catalog.Options{
		Read: s.readOutside, Root: s.Root, Dir: s.Dir, Files: files, Allowed: allowed, Set: q.Set, ShowValues: q.Values,
		BuildArgs: q.BuildArgs, Vars: q.Vars, Volatile: volatile, Memo: s.caches.definitions,
	})
	s.secret(cat.Values.Secret()) // also of one that cannot be read
	if err != nil {
		return cat, err
	}
	return s.withoutUnshown(q, cat)
}

// withoutUnshown is a catalog in which the images are marked whose Dockerfiles lie outside
// of the repository, and may not be read.
func (s *Session) withoutUnshown(q Query, cat impact.Catalog) (impact.Catalog, error) {
	images := slices.Clone(cat.Images) // others share it
	for i, im := range images {
		if !path.IsAbs(im.Dockerfile) && !filepath.IsAbs(im.Dockerfile) || im.Inline != "" {
			continue
		}
		given, err := s.given(q, im.Name)
		if err != nil {
			return cat, err
		}
		may, err := catalog.MayRead(im.Dockerfile, s.Root, given)
		if err != nil {
			return cat, privilegesFault(im, err)
		}
		images[i].Unshown = !may
	}
	cat.Images = images
	return cat, nil
}

// readOutside reads a definition that lies outside of the tree.
func (s *Session) readOutside(name string) ([]byte, error) {
	s.noteOutside()
	return safefile.Read(name, safefile.Text)
}

// definitionPath is a definition's path as the catalog takes it: from the tree's root
// when it lies inside, else absolute.
func (s *Session) definitionPath(name string) string {
	if !filepath.IsAbs(name) {
		name = filepath.Join(s.Root, filepath.FromSlash(s.Dir), name)
	}
	abs := filepath.Clean(name)
	rel, err := filepath.Rel(s.Root, abs)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return abs
	}
	return path.Clean(filepath.ToSlash(rel))
}

// choose gives the names of the images that a query asks for.
func choose(q Query, cat impact.Catalog, phases []impact.Phase) ([]string, error) {
	if len(q.Exactly) > 0 {
		return q.Exactly, nil
	}
	names, err := catalog.Select(cat, q.Images, q.All || len(q.Phases) > 0)
	if err != nil {
		return nil, err
	}
	only, err := phaseImages(phases, q.Phases)
	if err != nil {
		return nil, err
	}
	without, err := phaseImages(phases, q.SkipPhases)
	if err != nil {
		return nil, err
	}
	for _, p := range phases {
		if p.Optional && q.SkipOptional {
			without = append(without, p.Images...)
		}
	}
	return slices.DeleteFunc(names, func(n string) bool {
		return len(q.Phases) > 0 && !slices.Contains(only, n) || slices.Contains(without, n)
	}), nil
}

// named gives the images that a query names, also those that nobody wants otherwise. What
// it says in vain is for choose to tell.
func named(q Query, cat impact.Catalog) []string {
	if len(q.Images) == 0 {
		return q.Exactly
	}
	names, err := catalog.Select(cat, q.Images, false)
	if err != nil {
		return nil
	}
	return names
}

// phaseImages lists the images of named phases.
func phaseImages(phases []impact.Phase, names []string) ([]string, error) {
	var images []string
	for _, name := range names {
		i := slices.IndexFunc(phases, func(p impact.Phase) bool { return strings.EqualFold(p.Name, name) })
		if i < 0 {
			var known []string
			for _, p := range phases {
				known = append(known, p.Name)
			}
			return nil, &impact.Fault{
				Cause: fmt.Sprintf("unknown phase %q%s", name, spelling.DidYouMean(name, known)),
				Hint:  "the phases are " + strings.Join(known, ", "),
			}
		}
		images = append(images, phases[i].Images...)
	}
	return images, nil
}

// CheckNames tells of images that the definition does not have. A definition that cannot
// be read is no error here: it has its turn when it is planned by.
func (s *Session) CheckNames(ctx context.Context, q Query) error {
	if len(q.Images) == 0 {
		return nil
	}
	t, _, err := s.target(ctx, q, tree.Bytes)
	if err != nil {
		return err
	}
	cat, err := s.catalog(ctx, q, t, false)
	if err != nil {
		return nil
	}
	_, err = catalog.Select(cat, q.Images, q.All)
	return err
}

// definitionFault gives an error about the definitions the file that they stand in.
func definitionFault(err error, cat impact.Catalog) error {
	var fault *impact.Fault
	var cycle *impact.Cycle
	switch {
	case len(cat.Files) == 0:
		return err
	case errors.As(err, &fault) && fault.Path == "":
		return &impact.Fault{Path: cat.Files[0], Cause: fault.Cause, Hint: fault.Hint}
	case errors.As(err, &cycle):
		im, _ := cat.Image(cycle.Images[0])
		return &impact.Fault{Path: cat.Files[0], Cause: cycle.Error(), Hint: "take one of these out of the circle, starting with the FROM lines of " + im.DockerfileName()}
	}
	return err
}
