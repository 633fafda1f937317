package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"rebuild/impact"
)

// bakeWord and composeWord are in the names of files, or of their folders, that nobody finds
// unasked and that bake or compose take with -f.
var (
	bakeWord    = regexp.MustCompile(`(?i)(^|[^a-z])(docker-?bake|bake|bakefiles?)([^a-z]|$)`)
	composeWord = regexp.MustCompile(`(?i)^(docker-)?compose([._-].*)?\.ya?ml$`)
)

// mayDefine tells whether a file may be a definition, by its path.
func mayDefine(name string) bool {
	base := path.Base(name)
	switch path.Ext(name) {
	case ".hcl", ".json":
		return strings.Contains(strings.ToLower(name), "bake") && bakeWord.MatchString(base) || bakeWord.MatchString(path.Base(path.Dir(name)))
	case ".yaml", ".yml":
		return strings.Contains(strings.ToLower(base), "compose") && composeWord.MatchString(base)
	}
	return false
}

// candidate is what -f would be given to take images from elsewhere in the tree.
type candidate struct {
	kind  kind
	files []string
	found *finding
	cat   impact.Catalog
}

// elsewhere gives the images that a definition outside of the folders defines in which one
// is sought: if those of one kind define some, and no Dockerfile contradicts. Else they are
// listed, and it is nil.
func (s *search) elsewhere(ctx context.Context, all *survey, told *gathered) (*finding, error) {
	candidates, err := s.candidates(ctx, all, told)
	if err != nil {
		return nil, err
	}
	for _, c := range candidates {
		s.listed = append(s.listed, strings.Join(c.files, " -f "))
	}
	if len(candidates) == 0 {
		return nil, nil
	}
	for _, c := range candidates {
		if c.found == nil || c.kind != candidates[0].kind || c.kind == composeKind && len(candidates) > 1 {
			return nil, nil
		}
	}
	chosen := candidates[0]
	if len(candidates) > 1 { // bake merges them
		for _, c := range candidates[1:] {
			chosen.files = slices.Concat(chosen.files, c.files)
			for _, im := range c.cat.Images {
				if _, twice := chosen.cat.Image(im.Name); twice {
					return nil, nil
				}
			}
		}
		if chosen, err = s.attempt(ctx, all, bakeKind, chosen.files); err != nil || chosen.found == nil {
			return nil, err
		}
	}
	for _, src := range chosen.found.files {
		s.remember(src.path)
	}
	if chosen.found.project != nil {
		for _, name := range chosen.files {
			s.remember(name)
		}
	}
	for _, name := range told.read {
		s.remember(name)
	}
	s.listed = nil
	chosen.found.warn(all.unnamed(chosen))
	return chosen.found, nil
}

// candidates are the definitions elsewhere that define an image.
func (s *search) candidates(ctx context.Context, all *survey, told *gathered) ([]candidate, error) {
	names := make([]string, 0, len(all.definitions)+len(told.definitions))
	for _, d := range all.definitions {
		names = append(names, d.path)
	}
	names = append(names, told.definitions...)
	slices.Sort(names)
	names = slices.Compact(names)
	var out []candidate
	for _, files := range together(names) {
		kind := bakeKind
		if ext := path.Ext(files[0]); ext == ".yaml" || ext == ".yml" {
			kind = composeKind
		}
		c, err := s.attempt(ctx, all, kind, files)
		if err != nil {
			return nil, err
		}
		if len(c.files) > 0 {
			out = append(out, c)
		}
	}
	return out, nil
}

// together are the files that one -f after the other takes: those that bake or compose read
// together in their folder, and each other alone.
func together(names []string) [][]string {
	var out [][]string
	done := map[string]bool{}
	take := func(group []string) {
		var there []string
		for _, name := range group {
			if slices.Contains(names, name) && !done[name] {
				done[name] = true
				there = append(there, name)
			}
		}
		if len(there) > 0 {
			out = append(out, there)
		}
	}
	under := func(dir string, names []string) []string {
		full := make([]string, len(names))
		for i, name := range names {
			full[i] = path.Join(dir, name)
		}
		return full
	}
	for _, name := range names {
		dir, base := path.Dir(name), path.Base(name)
		switch {
		case done[name]:
		case slices.Contains(bakeNames, base):
			take(under(dir, bakeNames))
		case slices.Contains(composeNames, base):
			first := composeNames[slices.IndexFunc(composeNames, func(n string) bool { return slices.Contains(names, path.Join(dir, n)) })]
			take(under(dir, append([]string{first}, composeOverrideNames...)))
			for _, other := range under(dir, composeNames) {
				done[other] = true
			}
		case slices.Contains(composeOverrideNames, base) && slices.ContainsFunc(composeNames, func(n string) bool { return slices.Contains(names, path.Join(dir, n)) }):
		default:
			take([]string{name})
		}
	}
	return out
}

// attempt reads files as a definition; the candidate has no files when they define no image, and
// no finding when the Dockerfiles contradict. The paths of bake's files count from the root of the tree,
// where bake is mostly called, or from their own folder.
func (s *search) attempt(ctx context.Context, all *survey, kind kind, files []string) (candidate, error) {
	r := *s.reader // what is only tried has no part in the catalog
	r.names, r.left = nil, nil
	r.heard = true // it may be a file of the repository that names them
	var sources []source
	for _, name := range files {
		src, ok, err := r.try(ctx, name)
		var fault *impact.Fault
		switch {
		case errors.As(err, &fault), errors.Is(err, fs.ErrInvalid), err == nil && !ok: // too large, or no regular file
			return candidate{}, nil
		case err != nil:
			return candidate{}, err
		case kindOf(src) != kind || kind == bakeKind && !strings.Contains(string(src.data), "target") || kind == composeKind && !mayBuild(src):
			return candidate{}, nil
		}
		sources = append(sources, src)
	}
	bases := []string{path.Dir(files[0])}
	if kind == bakeKind && bases[0] != "." {
		bases = []string{".", bases[0]}
	}
	refused := candidate{}
	for _, base := range bases {
		f := &finding{base: base}
		if err := f.take(ctx, &r, sources, s.opt); err != nil {
			if ctx.Err() != nil {
				return candidate{}, ctx.Err()
			}
			continue
		}
		cat, err := s.opt.Memo.get(f.key(s.opt), func() (impact.Catalog, error) { return assemble(ctx, f, s.opt, s.paths) })
		if err != nil {
			if ctx.Err() != nil {
				return candidate{}, ctx.Err()
			}
			continue
		}
		if agrees, err := all.agrees(ctx, &r, cat); err != nil {
			return candidate{}, err
		} else if agrees {
			return candidate{kind, files, f, cat}, nil
		}
		if len(cat.Images) > 0 {
			refused = candidate{kind: kind, files: files}
		}
	}
	return refused, nil
}

// agrees tells whether the Dockerfiles of a catalog are there, and their sources in its
// contexts rather than elsewhere.
func (s *survey) agrees(ctx context.Context, r *reader, cat impact.Catalog) (bool, error) {
	if len(cat.Images) == 0 {
		return false, nil
	}
	for _, im := range cat.Images {
		if im.Unwanted || im.Inline != "" || im.RemoteContext != "" {
			continue
		}
		if im.Fault != nil && !im.FaultOfTag {
			return false, nil
		}
		text, err := r.files.ReadFile(ctx, im.Dockerfile)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
			return false, nil
		case err != nil:
			return false, err
		case isAbs(im.Context):
			continue
		}
		found := &foundImage{dockerfile: im.Dockerfile}
		if found.recipe, err = readRecipe(text, im.Args); err != nil {
			continue
		}
		given, err := found.fit(ctx, s.listing, im.Context)
		if err != nil {
			return false, err
		}
		if len(given.missing) == 0 {
			continue
		}
		for dir := range upward(path.Dir(im.Dockerfile)) {
			other, err := found.fit(ctx, s.listing, dir)
			if err != nil {
				return false, err
			}
			if len(other.missing) == 0 {
				return false, nil
			}
		}
	}
	return true, nil
}

// unnamed says which Dockerfiles a definition does not name; "" for none.
func (s *survey) unnamed(c candidate) string {
	named := map[string]bool{}
	for _, im := range c.cat.Images {
		named[im.Dockerfile] = true
	}
	var left []string
	for _, f := range s.dockerfiles {
		if f.role == isDockerfile && f.in == (surroundings{}) && !named[f.path] {
			left = append(left, f.path)
		}
	}
	if len(left) == 0 {
		return ""
	}
	return fmt.Sprintf("%s defines the images, and does not name %s", strings.Join(c.files, ", "), some(left))
}

// others says of each definition that lies elsewhere and is not taken how it is.
func (s *search) others() []string {
	var out []string
	for _, files := range s.listed {
		out = append(out, fmt.Sprintf("%s defines images, too, and is not read: rebuild -f %s takes it", strings.ReplaceAll(files, " -f ", ", "), files))
	}
	return out
}
