package catalog

import (
	"context"
	"path"
	"slices"

	"rebuild/impact"
)

// finding is the definitions of a tree, read and not yet evaluated.
type finding struct {
	doc    *document // rebuild.yaml; nil when there is none
	docDir string    // the folder that its paths count from

	files []source // what bake reads, in the order in which it merges
	base  string   // the folder that bake's paths count from
}

// rebuildNames are the names under which our own definition is found.
var rebuildNames = []string{"rebuild.yaml", "rebuild.yml"}

// find reads the definitions: those named by -f, else the first found in the
// folder of the command and in those above it. In each folder rebuild.yaml
// comes before docker-bake files; one that is empty counts for nothing.
func find(ctx context.Context, r *reader, opt Options) (*finding, error) {
	dir, err := r.paths.resolve(".", opt.Dir)
	if err != nil || isAbs(dir) {
		return nil, &impact.Fault{Cause: "folder " + opt.Dir + " is not in the tree"}
	}
	if len(opt.Files) > 0 {
		return findNamed(ctx, r, dir, opt.Files)
	}
	for at := range upward(dir) {
		f, err := findRebuild(ctx, r, at)
		if f != nil || err != nil {
			return f, err
		}
		files, err := findBake(ctx, r, at)
		if err != nil {
			return nil, err
		}
		if files != nil {
			return &finding{files: files, base: at}, nil
		}
	}
	return nil, missing(&impact.Fault{
		Cause: "no definition found: neither rebuild.yaml nor a docker-bake file in " + orAbove(dir),
		Hint:  "write a rebuild.yaml that names the images, or name a definition: rebuild -f FILE",
	})
}

// findRebuild reads the rebuild.yaml of a folder and what it stands on; nil
// when there is none.
func findRebuild(ctx context.Context, r *reader, dir string) (*finding, error) {
	for _, name := range rebuildNames {
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
		return f, f.complete(ctx, r)
	}
	return nil, nil
}

// complete reads the definitions that rebuild.yaml names, or, when it has no
// images of its own, finds them.
func (f *finding) complete(ctx context.Context, r *reader) error {
	if len(f.doc.definitions) == 0 {
		if len(f.doc.images) > 0 {
			return nil
		}
		return f.search(ctx, r)
	}
	f.base = f.docDir
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
			return &impact.Fault{Path: f.doc.path, Line: d.line, Cause: "definitions: " + name + " is not a bake file"}
		}
		f.files = append(f.files, src)
	}
	return needBake(f.files)
}

// search finds docker-bake files for a rebuild.yaml that names none.
func (f *finding) search(ctx context.Context, r *reader) error {
	for at := range upward(f.docDir) {
		files, err := findBake(ctx, r, at)
		if err != nil {
			return err
		}
		if files != nil {
			f.files, f.base = files, at
			return nil
		}
	}
	return missing(&impact.Fault{
		Path:  f.doc.path,
		Cause: "no definition found: it defines no images, and there is no docker-bake file in " + orAbove(f.docDir),
		Hint:  "add images: or definitions: to " + f.doc.path,
	})
}

// findNamed reads the files of -f. Bake's paths count from the folder of the
// command, as they do in bake; those of a rebuild.yaml from its own folder, or,
// when it lies outside the tree, from the folder of the command.
func findNamed(ctx context.Context, r *reader, dir string, names []string) (*finding, error) {
	f := &finding{base: dir}
	for _, given := range names {
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
			f.files = append(f.files, src)
		}
	}
	if f.doc != nil && len(f.files) == 0 {
		return f, f.complete(ctx, r)
	}
	return f, needBake(f.files)
}

// needBake refuses compose files that no bake file goes with: bake would read
// them alone, but not as compose does (names of images, project folder).
func needBake(files []source) error {
	if slices.ContainsFunc(files, func(s source) bool { return kindOf(s) == bakeKind }) {
		return nil
	}
	return missing(&impact.Fault{
		Path:  files[0].path,
		Cause: "no definition found: a compose file is read only together with a docker-bake file",
		Hint:  "write a rebuild.yaml that names the images",
	})
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
