package catalog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"rebuild/impact"
	"rebuild/impact/budget"
	"rebuild/impact/safefile"
)

// search looks for what defines the images of a tree.
type search struct {
	*reader
	opt    Options
	dir    string    // the folder that the command started in
	doc    *document // a rebuild.yaml that leaves open what the images are
	docDir string
	passed []*imageless // what was passed over
	named  bool         // the environment names what has no image
	listed []string     // definitions that lie elsewhere and are not taken, as -f takes them
	budget budget.Budget
}

// imageless is the error of a definition without an image. It is no mistake where the
// definition was merely found: many a compose file only runs images.
type imageless struct {
	path, why string
	err       error // that it cannot be read; nil when it can
}

// Error says which definition it is.
func (e *imageless) Error() string { return e.path + ": " + e.why }

func newSearch(files Files, opt Options) (*search, error) {
	if opt.Read == nil {
		opt.Read = func(name string) ([]byte, error) { return safefile.Read(name, safefile.Text) }
	}
	r := &reader{files: files, read: opt.Read, paths: newPaths(opt.Root), outside: outside{allowed: opt.Allowed}}
	dir, err := r.paths.resolve(".", opt.Dir)
	if err != nil || isAbs(dir) {
		return nil, &impact.Fault{Cause: "folder " + opt.Dir + " is not in the tree"}
	}
	return &search{reader: r, opt: opt, dir: dir}, nil
}

// first gives what first defines an image, and its catalog. What is passed over is said.
func (s *search) first(ctx context.Context) (*finding, impact.Catalog, error) {
	late := map[string]bool{} // files of what was passed over
	for found, err := range s.find(ctx) {
		var cat impact.Catalog
		if err == nil {
			s.evaluates(found.path())
			found.warnings = append(s.passedOver(), found.warnings...)
			cat, err = s.opt.Memo.get(found.key(s.opt), func() (impact.Catalog, error) {
				return assemble(ctx, found, s.opt, s.paths)
			})
		}
		var none *imageless
		switch {
		case errors.As(err, &none) && found != nil && found.named:
			s.passed, s.named = append(s.passed, none), true
			return nil, cat, s.nothing()
		case errors.As(err, &none):
			s.passed = append(s.passed, none)
			for _, name := range s.names {
				late[name] = s.doc == nil || name != s.doc.path
			}
		case err != nil:
			return nil, cat, err
		default:
			cat.Files = slices.Clone(s.names)
			slices.SortStableFunc(cat.Files, func(a, b string) int {
				switch {
				case late[a] == late[b]:
					return 0
				case late[a]:
					return 1
				}
				return -1
			})
			return found, cat, nil
		}
	}
	return nil, impact.Catalog{}, s.nothing()
}

// find gives what may define the images, in the order in which it counts: the files named
// by -f, else what is found in the folder of the command and in those above it. In each
// folder rebuild.yaml comes before docker-bake files, and those before compose files; one
// that is empty counts for nothing. At last the tree's Dockerfiles are found.
func (s *search) find(ctx context.Context) iter.Seq2[*finding, error] {
	if len(s.opt.Files) > 0 {
		f, err := findNamed(ctx, s.reader, s.dir, s.opt)
		return s.completed(ctx, f, err)
	}
	return func(yield func(*finding, error) bool) {
		for at := range upward(s.dir) {
			f, err := findRebuild(ctx, s.reader, at)
			if err == nil && f != nil {
				err = f.readNamed(ctx, s.reader, s.opt)
			}
			if f != nil || err != nil {
				s.completed(ctx, f, err)(yield)
				return
			}
			for f, err := range s.findIn(ctx, at) {
				if !yield(f, err) {
					return
				}
			}
		}
		for f, err := range s.beyond(ctx) {
			if !yield(f, err) {
				return
			}
		}
	}
}

// beyond gives what is found in a tree that has no definition where one is sought: one that
// lies elsewhere, then its Dockerfiles.
func (s *search) beyond(ctx context.Context) iter.Seq2[*finding, error] {
	return func(yield func(*finding, error) bool) {
		var all *survey
		var err error
		s.budget.Uncounted(func() { all, err = look(ctx, s.files) })
		if all == nil || err != nil {
			if err != nil {
				yield(nil, err)
			}
			return
		}
		told, err := all.gather(ctx, s.reader)
		if err != nil {
			yield(nil, err)
			return
		}
		f, err := s.elsewhere(ctx, all, told)
		if (f != nil || err != nil) && !yield(f, err) {
			return
		}
		f, err = discover(ctx, s.reader, all, told, s.opt.BuildArgs)
		if f != nil {
			f.warn(s.others()...)
		}
		if f != nil || err != nil {
			yield(f, err)
		}
	}
}

// findIn gives the files that the environment names for bake, else the docker-bake files
// of a folder, then its compose files.
func (s *search) findIn(ctx context.Context, dir string) iter.Seq2[*finding, error] {
	return func(yield func(*finding, error) bool) {
		named, err := namedByEnvironment(ctx, s.reader, s.dir, s.opt)
		if err == nil && named != nil {
			named, err = beside(ctx, s.reader, named, s.dir, s.opt)
		}
		if named != nil || err != nil {
			yield(&finding{files: named, base: s.dir, named: true}, err)
			return
		}
		files, err := findBake(ctx, s.reader, dir, s.opt)
		if (files != nil || err != nil) && !yield(&finding{files: files, base: dir}, err) {
			return
		}
		if f, err := findCompose(ctx, s.reader, dir, s.opt); f != nil || err != nil {
			yield(f, err)
		}
	}
}

// completed gives what was found, or, where it is a rebuild.yaml that leaves open what the
// images are, that with each definition that may say so.
func (s *search) completed(ctx context.Context, f *finding, err error) iter.Seq2[*finding, error] {
	return func(yield func(*finding, error) bool) {
		if err != nil || f.saysImages() {
			yield(f, err)
			return
		}
		s.doc, s.docDir = f.doc, f.docDir
		for at := range upward(f.docDir) {
			for c, err := range s.findIn(ctx, at) {
				joined := *f
				joined.warnings = slices.Clone(f.warnings)
				if err == nil {
					joined.join(c)
				}
				if !yield(&joined, err) {
					return
				}
			}
		}
		if f.docDir != "." { // where the paths of what is found count from
			return
		}
		for c, err := range s.beyond(ctx) {
			joined := *f
			switch {
			case err != nil:
			case c.found == nil:
				joined.warnings = slices.Clone(f.warnings)
				joined.join(c)
			default:
				f.doc.images, f.found = c.doc.images, c.found
				f.warn(slices.Concat(c.found.leftOut(), c.found.ambiguities(f.doc.path), s.others())...)
				joined = *f
			}
			if !yield(&joined, err) {
				return
			}
		}
	}
}

// passedOver says what was passed over.
func (s *search) passedOver() []string {
	var out []string
	for _, p := range s.passed {
		out = append(out, fmt.Sprintf("%s is passed over: %s", p.path, p.why))
	}
	return out
}

// nothing is the error of a tree in which no image is defined.
func (s *search) nothing() error {
	switch {
	case len(s.passed) > 0 && s.passed[0].err != nil:
		return s.passed[0].err
	case len(s.passed) > 0:
		f := &impact.Fault{
			Path:  s.passed[0].path,
			Cause: "no definition found: " + s.passed[0].why,
			Hint:  "write a rebuild.yaml that names the images, or name another definition: rebuild -f FILE",
		}
		if len(s.opt.Files) == 0 && !s.named {
			f.Cause += ", and nothing else defines an image"
		}
		if len(s.listed) > 0 {
			f.Hint = "name the definition: rebuild -f " + s.listed[0]
		}
		return missing(f)
	case s.doc != nil:
		return missing(&impact.Fault{
			Path:  s.doc.path,
			Cause: "no definition found: it defines no images, and there is neither a docker-bake nor a compose file in " + orAbove(s.docDir),
			Hint:  "add images: or definitions: to " + s.doc.path,
		})
	}
	if len(s.listed) > 0 {
		return missing(&impact.Fault{
			Cause: "no definition found in " + orAbove(s.dir) + ", but elsewhere: " + strings.Join(s.listed, " or "),
			Hint:  "name one: rebuild -f " + s.listed[0],
		})
	}
	return missing(&impact.Fault{
		Cause: "no definition found: neither rebuild.yaml nor a docker-bake or compose file in " + orAbove(s.dir) + ", nor any Dockerfile",
		Hint:  "write a rebuild.yaml that names the images, or name a definition: rebuild -f FILE",
	})
}
