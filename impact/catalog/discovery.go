package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"rebuild/impact"
)

// discovery is the Dockerfiles of a tree without a definition, and what was made
// of them.
type discovery struct {
	args      map[string]string // build arguments
	images    []*foundImage     // by path
	questions []*question       // references that may mean images
	warnings  []string
}

// foundImage is an image that is made up for a Dockerfile.
type foundImage struct {
	dockerfile string // from the root of the tree
	variant    string // of its file name
	apart      string // the folder of tests and the like in which it lies
	segments   []segment
	recipe     *recipe
	broken     error // it does not parse

	settled  bool              // some file of the repository says how it is built
	disputed string            // what places say that contradict each other
	target   string            // as told
	given    map[string]string // build arguments, as told
	tagged   string            // where its tags stand; "" when no file tells any

	context string
	why     string   // reason for the context
	open    []string // other contexts that it can have; it is ambiguous
	name    string
	tags    []string
	named   string          // the reference that names it, and where it stands
	links   []*claim        // the references that its tags are
	repos   map[string]bool // repositories that it reads
	maybe   []string        // references that it makes and that may mean images of the tree
	doubt   []string        // references that may mean it
	unmet   []string        // the same, of those that hold an argument without a value
}

// discover makes images of the Dockerfiles of a tree; nil when there are none. g is what the
// tree tells of builds.
func discover(ctx context.Context, r *reader, s *survey, g *gathered, args map[string]string) (*finding, error) {
	d := &discovery{args: args}
	for _, f := range s.dockerfiles {
		switch {
		case f.in.vendored != "":
			d.leave(f.path, "it lies in "+f.in.vendored)
		case f.role == isTemplate:
			d.leave(f.path, "it is a template")
		default:
			if err := d.file(ctx, r, f, g.byDockerfile[f.path]); err != nil {
				return nil, err
			}
			delete(g.byDockerfile, f.path)
		}
	}
	for _, name := range sortedKeys(g.byDockerfile) { // that are not called like Dockerfiles
		if role, _ := roleOf(path.Base(name)); role == isTemplate {
			continue
		}
		if err := d.file(ctx, r, located{path: name}, g.byDockerfile[name]); err != nil {
			return nil, err
		}
	}
	if len(d.images) == 0 {
		return nil, nil
	}
	for _, name := range g.read {
		r.remember(name)
	}
	slices.SortStableFunc(d.images, func(a, b *foundImage) int { return strings.Compare(a.dockerfile, b.dockerfile) })
	if !slices.ContainsFunc(d.images, func(im *foundImage) bool { return im.apart == "" }) {
		for _, im := range d.images { // a repository of nothing but examples
			im.apart = ""
		}
	}
	for _, im := range d.images {
		if im.settled {
			continue
		}
		if err := im.choose(ctx, s.listing); err != nil {
			return nil, err
		}
	}
	d.infer(path.Base(r.paths.root))
	f := d.finding()
	f.warn(g.unread...)
	return f, nil
}

func (d *discovery) leave(name, why string) {
	d.warnings = append(d.warnings, fmt.Sprintf("%s is left out: %s", name, why))
}

// file takes up a file that is called like a Dockerfile, and what is told of it.
func (d *discovery) file(ctx context.Context, r *reader, f located, builds []told) error {
	name := f.path
	text, err := r.files.ReadFile(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a link that leads nowhere
	}
	if errors.Is(err, fs.ErrInvalid) {
		d.leave(name, "it is no regular file")
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if len(text) > maxDefinition {
		d.leave(name, fmt.Sprintf("it is larger than %d MiB", maxDefinition>>20))
		return nil
	}
	if templated(text) {
		d.leave(name, "it is a template")
		return nil
	}
	r.remember(name)
	r.evaluates(name)
	first := &foundImage{dockerfile: name, variant: f.variant, apart: f.in.apart}
	for _, im := range append([]*foundImage{first}, first.settle(builds)...) {
		given := maps.Clone(im.given)
		if given == nil {
			given = map[string]string{}
		}
		maps.Copy(given, d.args)
		if im.recipe, im.broken = readRecipe(text, given); im.broken != nil {
			if strings.Contains(im.broken.Error(), "file with no instructions") {
				d.leave(name, "it is empty")
				return nil
			}
			im.recipe = &recipe{unknown: true}
		}
		d.images = append(d.images, im)
	}
	return nil
}

// finding words what was found as a rebuild.yaml would.
func (d *discovery) finding() *finding {
	doc := &document{}
	for _, im := range d.images {
		own := ownImage{
			name:       text{text: im.name},
			at:         im.dockerfile,
			context:    &text{text: im.context},
			dockerfile: &text{text: pathFrom(im.context, im.dockerfile)},
		}
		if im.target != "" {
			own.stage = &text{text: im.target}
		}
		for _, name := range sortedKeys(im.given) {
			value := im.given[name]
			own.args = append(own.args, arg{name, &value})
		}
		for _, t := range im.tags {
			own.tags = append(own.tags, text{text: t})
		}
		doc.images = append(doc.images, own)
	}
	return &finding{doc: doc, docDir: ".", base: ".", found: d, warnings: slices.Concat(d.leftOut(), d.ambiguities(""))}
}

// leftOut says which files are no images. A vendored tree can hold hundreds.
func (d *discovery) leftOut() []string {
	const enough = 10
	if len(d.warnings) <= enough {
		return d.warnings
	}
	return append(slices.Clone(d.warnings[:enough]), fmt.Sprintf("%d more files that are called like Dockerfiles are left out", len(d.warnings)-enough))
}

// ambiguities says what no reference and no file makes known. definition is a rebuild.yaml
// that is there, "" for none.
func (d *discovery) ambiguities(definition string) []string {
	var out []string
	for _, im := range d.images {
		if im.apart != "" {
			continue
		}
		if len(im.open) > 0 && im.disputed == "" {
			out = append(out, fmt.Sprintf("%s: its build context is ambiguous (%s): %s is taken, and each file in it counts as read", im.dockerfile, strings.Join(im.open, " or "), im.context))
		}
		if im.disputed != "" {
			out = append(out, fmt.Sprintf("%s: it is ambiguous how it is built: %s", im.dockerfile, im.disputed))
		}
		for _, ref := range im.unmet {
			out = append(out, im.dockerfile+": "+ref)
		}
	}
	for _, q := range d.questions {
		if !q.apart() {
			out = append(out, q.said())
		}
	}
	switch {
	case len(out) == 0:
	case definition != "":
		out = append(out, "what is ambiguous is settled by images: in "+definition+": rebuild init --print shows them")
	default:
		out = append(out, "what is ambiguous is settled by a rebuild.yaml: rebuild init writes one")
	}
	return out
}

// describe says of each image where it comes from, and selects those that do not stand apart.
func (d *discovery) describe(cat *impact.Catalog) {
	byName := map[string]*foundImage{}
	for _, im := range d.images {
		byName[im.name] = im
	}
	var selected []string
	for i := range cat.Images {
		out := &cat.Images[i]
		im := byName[out.Name]
		if im == nil || im.apart == "" {
			selected = append(selected, out.Name)
		}
		if im == nil {
			continue
		}
		out.Origin, out.Ambiguous, out.Apart = im.origin(), len(im.open) > 0 || im.disputed != "", im.apart
		if !im.writable() { // no file that bake reads can hold its name
			out.Dockerfile, out.Context = im.dockerfile, im.context
		}
	}
	if len(cat.Default) == 0 && len(selected) < len(cat.Images) {
		cat.Default = selected
	}
}

// origin is where an image comes from, in words.
func (im *foundImage) origin() string {
	out := "found: context " + im.context + ": " + im.why
	if im.tagged != "" {
		out += "; tagged by " + im.tagged
	}
	if im.named != "" {
		out += "; named by path: " + im.named
	}
	if len(im.maybe) > 0 {
		out += "; may be built on an image of this tree: " + some(im.maybe)
	}
	return out
}

// relative gives a path from a folder that holds it.
func relative(dir, name string) string {
	if dir == "." {
		return name
	}
	return strings.TrimPrefix(name, dir+"/")
}
