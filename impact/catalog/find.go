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
	named bool     // by the environment: what it names is not passed over

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

// findRebuild reads the rebuild.yaml of a folder; nil when there is none.
func findRebuild(ctx context.Context, r *reader, dir string) (*finding, error) {
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
		others, err := r.tryAll(ctx, dir, rebuildNames[i+1:])
		f.warn(candidates(append([]source{src}, others...)))
		return f, err
	}
	return nil, nil
}

// saysImages tells whether a rebuild.yaml does not leave open what the images are.
func (f *finding) saysImages() bool {
	return f.doc == nil || len(f.doc.definitions) > 0 || len(f.doc.images) > 0 || f.files != nil || f.project != nil
}

// readNamed reads the definitions that rebuild.yaml names.
func (f *finding) readNamed(ctx context.Context, r *reader, opt Options) error {
	if len(f.doc.definitions) == 0 {
		return nil
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
			return namedAt(err, f.doc.path, d.line)
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
		r.name(name)
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
	if len(files) == 0 {
		return f, f.readNamed(ctx, r, opt)
	}
	return f, f.take(ctx, r, files, opt)
}

// path is the file that says what the images are; "" when the Dockerfiles do.
func (f *finding) path() string {
	switch {
	case f.doc != nil && f.doc.path != "":
		return f.doc.path
	case f.project != nil:
		return f.project.path
	}
	if i := slices.IndexFunc(f.files, func(s source) bool { return kindOf(s) != composeKind }); i >= 0 {
		return f.files[i].path
	}
	return f.compose()
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
