package catalog

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"rebuild/impact/catalog/evidence"
)

// Tracker is a tree that knows which of its files are under version control. Where it says
// so, no other files are taken for definitions, nor for what tells of builds.
type Tracker interface {
	Tracked(path string) bool
}

// survey is what a tree has that may tell of images, by name.
type survey struct {
	listing     *listing
	dockerfiles []located
	definitions []located // that may be of bake or compose
	evidence    []string
}

// located is a file and where it lies.
type located struct {
	path    string
	in      surroundings
	role    fileRole
	variant string // of a Dockerfile's name
}

// surroundings are where a folder lies: in a vendored one, in one whose images stand apart;
// "" for neither.
type surroundings struct{ vendored, apart string }

// within are those of a folder in another.
func (p surroundings) within(at string) surroundings {
	if p.vendored == "" && slices.Contains(vendored, path.Base(at)) {
		p.vendored = at
	}
	if p.apart == "" && slices.Contains(besides, path.Base(at)) {
		p.apart = at
	}
	return p
}

// look surveys a tree; nil when it cannot be listed.
func look(ctx context.Context, files Files) (*survey, error) {
	tree, ok := files.(Lister)
	if !ok {
		return nil, nil
	}
	s := &survey{listing: &listing{tree: tree, dirs: map[string][]fs.DirEntry{}, held: map[[2]string]presence{}}}
	tracked := func(string) bool { return true }
	if t, ok := files.(Tracker); ok {
		tracked = t.Tracked
	}
	return s, s.walk(ctx, ".", surroundings{}, tracked)
}

// walk looks through a folder.
func (s *survey) walk(ctx context.Context, dir string, in surroundings, tracked func(string) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := s.listing.read(ctx, dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, e := range entries {
		name := e.Name()
		at := name
		if dir != "." {
			at = dir + "/" + name
		}
		if e.IsDir() {
			if err := s.walk(ctx, at, in.within(at), tracked); err != nil {
				return err
			}
			continue
		}
		role, variant := roleOf(name)
		switch {
		case role != noDockerfile:
			s.dockerfiles = append(s.dockerfiles, located{at, in, role, variant})
		case in.vendored != "":
		case evidence.Reads(at):
			if tracked(at) && (in.apart == "" || path.Base(in.apart) == ".devcontainer") {
				s.evidence = append(s.evidence, at)
			}
		case in.apart == "" && mayDefine(at) && tracked(at):
			s.definitions = append(s.definitions, located{path: at, in: in})
		}
	}
	return nil
}
