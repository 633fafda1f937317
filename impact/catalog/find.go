package catalog

import (
	"context"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"rebuild/impact"
)

// finding is the definitions of a tree, read and not yet evaluated.
type finding struct {
	doc    *document // rebuild.yaml; nil when there is none
	docDir string    // the folder that its paths count from

	files []source // what bake reads, in the order in which it merges
	base  string   // the folder that bake's paths count from

	project  *project   // compose files without a bake file
	found    *discovery // the Dockerfiles of a tree without a definition
	warnings []string
}

// warn takes up what is worth saying about what was found.
func (f *finding) warn(texts ...string) {
	f.warnings = append(f.warnings, slices.DeleteFunc(texts, func(s string) bool { return s == "" })...)
}

// rebuildNames are the names under which our own definition is found.
var rebuildNames = []string{"rebuild.yaml", "rebuild.yml"}

// find reads the definitions: those named by -f, else the first found in the
// folder of the command and in those above it. In each folder rebuild.yaml
// comes before docker-bake files, and those before compose files; one that is
// empty counts for nothing. With none of them, the tree's Dockerfiles are found.
func find(ctx context.Context, r *reader, opt Options) (*finding, error) {
	dir, err := r.paths.resolve(".", opt.Dir)
	if err != nil || isAbs(dir) {
		return nil, &impact.Fault{Cause: "folder " + opt.Dir + " is not in the tree"}
	}
	if len(opt.Files) > 0 {
		return findNamed(ctx, r, dir, opt)
	}
	for at := range upward(dir) {
		f, err := findRebuild(ctx, r, at, opt)
		if f != nil || err != nil {
			return f, err
		}
		if f, err = findIn(ctx, r, at, opt); f != nil || err != nil {
			return f, err
		}
	}
	if f, err := discover(ctx, r); f != nil || err != nil {
		return f, err
	}
	return nil, missing(&impact.Fault{
		Cause: "no definition found: neither rebuild.yaml nor a docker-bake or compose file in " + orAbove(dir) + ", nor any Dockerfile",
		Hint:  "write a rebuild.yaml that names the images, or name a definition: rebuild -f FILE",
	})
}

// findIn reads the files that the environment names for bake, else the docker-bake files
// of a folder or, with none, its compose files; nil when there are neither.
func findIn(ctx context.Context, r *reader, dir string, opt Options) (*finding, error) {
	start, err := r.paths.resolve(".", opt.Dir)
	if err != nil {
		return nil, err
	}
	named, err := namedByEnvironment(ctx, r, start, opt)
	if err != nil {
		return nil, err
	}
	if named != nil {
		named, err = beside(ctx, r, named, start, opt)
		return &finding{files: named, base: start}, err
	}
	files, err := findBake(ctx, r, dir, opt)
	if err != nil {
		return nil, err
	}
	if files != nil {
		return &finding{files: files, base: dir}, nil
	}
	return findCompose(ctx, r, dir, opt)
}

// findRebuild reads the rebuild.yaml of a folder and what it stands on; nil
// when there is none.
func findRebuild(ctx context.Context, r *reader, dir string, opt Options) (*finding, error) {
	for i, name := range rebuildNames {
		src, ok, err := r.try(ctx, path.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		doc, err := parseDocument(src)
		if err != nil {
			return nil, err
		}
		if doc.empty() {
			continue
		}
		f := &finding{doc: doc, docDir: dir}
		if err := f.complete(ctx, r, opt); err != nil {
			return nil, err
		}
		others, err := r.tryAll(ctx, dir, rebuildNames[i+1:])
		f.warn(candidates(append([]source{src}, others...)))
		return f, err
	}
	return nil, nil
}

// complete reads the definitions that rebuild.yaml names, or, when it has no
// images of its own, finds them.
func (f *finding) complete(ctx context.Context, r *reader, opt Options) error {
	if len(f.doc.definitions) == 0 {
		if len(f.doc.images) > 0 {
			return nil
		}
		return f.search(ctx, r, opt)
	}
	f.base = f.docDir
	var files []source
	for _, d := range f.doc.definitions {
		name, err := r.paths.resolve(f.docDir, d.text)
		if err != nil {
			return f.doc.at(d, err)
		}
		src, ok, err := r.try(ctx, name)
		if err != nil {
			return err
		}
		if !ok {
			return &impact.Fault{Path: f.doc.path, Line: d.line, Cause: "definitions: no file " + name}
		}
		if kind := kindOf(src); kind != bakeKind && kind != composeKind {
			return &impact.Fault{Path: f.doc.path, Line: d.line, Cause: "definitions: " + name + " is neither a bake file nor a compose file"}
		}
		files = append(files, src)
	}
	return f.take(ctx, r, files, opt)
}

// take makes files the definitions: those of compose alone are a project in the
// folder of the first of them.
func (f *finding) take(ctx context.Context, r *reader, files []source, opt Options) error {
	if !allCompose(files) {
		var err error
		f.files, err = beside(ctx, r, files, f.base, opt)
		return err
	}
	dir := path.Dir(files[0].path)
	env, err := composeEnvironment(ctx, r, dir, opt)
	if err != nil {
		return err
	}
	c, err := composeFinding(ctx, r, files, dir, env)
	if err != nil {
		return err
	}
	f.join(c)
	return nil
}

// join takes up the definitions of another finding. What rebuild.yaml says goes
// before what a compose file says in its place.
func (f *finding) join(c *finding) {
	f.files, f.base, f.project = c.files, c.base, c.project
	f.warn(c.warnings...)
	switch {
	case f.doc == nil:
		f.doc, f.docDir = c.doc, c.docDir
	case c.doc != nil:
		f.warn(c.doc.path + ": x-rebuild is not read: " + f.doc.path + " stands in its place")
	}
}

// search finds the definitions for a rebuild.yaml that names none.
func (f *finding) search(ctx context.Context, r *reader, opt Options) error {
	for at := range upward(f.docDir) {
		c, err := findIn(ctx, r, at, opt)
		if err != nil {
			return err
		}
		if c != nil {
			f.join(c)
			return nil
		}
	}
	if f.docDir == "." { // where the paths of what is found count from
		c, err := discover(ctx, r)
		if err != nil {
			return err
		}
		if c != nil {
			f.doc.images, f.found = c.doc.images, c.found
			f.warn(c.warnings...)
			return nil
		}
	}
	return missing(&impact.Fault{
		Path:  f.doc.path,
		Cause: "no definition found: it defines no images, and there is neither a docker-bake nor a compose file in " + orAbove(f.docDir),
		Hint:  "add images: or definitions: to " + f.doc.path,
	})
}

// remoteDefinition finds a URL in the name of a definition; it may have been
// joined to a folder, and so lost a slash.
var remoteDefinition = regexp.MustCompile(`(^|/)(https?:/{1,2}|git://|ssh:/{1,2}|git@[^/]*:)`)

// findNamed reads the files of -f. Bake's paths count from the folder of the
// command, as they do in bake; those of a rebuild.yaml from its own folder, or,
// when it lies outside the tree, from the folder of the command.
func findNamed(ctx context.Context, r *reader, dir string, opt Options) (*finding, error) {
	f := &finding{base: dir}
	var files []source
	for _, given := range opt.Files {
		if url := remoteDefinition.FindString(filepath.ToSlash(given)); url != "" {
			return nil, &impact.Fault{Cause: "a definition is not read from " + strings.TrimPrefix(url, "/") + "...: only from files", Hint: "clone it, and name the file: rebuild -f FILE"}
		}
		name, err := r.paths.resolve(".", given)
		if err != nil {
			return nil, err
		}
		src, err := r.open(ctx, name)
		if err != nil {
			return nil, err
		}
		switch kindOf(src) {
		case dockerfileKind:
			return nil, missing(&impact.Fault{Path: name, Cause: "no definition found: this is a Dockerfile", Hint: "name it in a rebuild.yaml: images: {NAME: {dockerfile: " + name + "}}"})
		case rebuildKind:
			if f.doc != nil {
				return nil, &impact.Fault{Path: name, Cause: "a second rebuild.yaml, after " + f.doc.path}
			}
			if f.doc, err = parseDocument(src); err != nil {
				return nil, err
			}
			f.docDir = path.Dir(name)
			if isAbs(name) {
				f.docDir = dir
			}
		default:
			files = append(files, src)
		}
	}
	if f.doc != nil && len(files) == 0 {
		return f, f.complete(ctx, r, opt)
	}
	return f, f.take(ctx, r, files, opt)
}

// compose is the first compose file among those that bake merges.
func (f *finding) compose() string {
	if i := slices.IndexFunc(f.files, func(s source) bool { return kindOf(s) == composeKind }); i >= 0 {
		return f.files[i].path
	}
	return ""
}

// upward yields a folder and those above it, up to the root.
func upward(dir string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for {
			if !yield(dir) || dir == "." {
				return
			}
			dir = path.Dir(dir)
		}
	}
}

func orAbove(dir string) string {
	if dir == "." {
		return "the root of the tree"
	}
	return dir + " or above"
}
