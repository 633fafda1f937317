package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	segments   []segment
	recipe     *recipe
	broken     error // it does not parse

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

// discover finds the Dockerfiles of a tree; nil when there are none, or when the
// tree cannot be listed.
func discover(ctx context.Context, r *reader, args map[string]string) (*finding, error) {
	tree, ok := r.files.(Lister)
	if !ok {
		return nil, nil
	}
	l := &listing{tree: tree, dirs: map[string][]fs.DirEntry{}}
	d := &discovery{args: args}
	if err := d.walk(ctx, l, r, ".", ""); err != nil {
		return nil, err
	}
	if len(d.images) == 0 {
		return nil, nil
	}
	for _, im := range d.images {
		if err := im.choose(ctx, l); err != nil {
			return nil, err
		}
	}
	d.infer(path.Base(r.paths.root))
	return d.finding(), nil
}

// walk looks through a folder. outside is the vendored folder that it lies in.
func (d *discovery) walk(ctx context.Context, l *listing, r *reader, dir, outside string) error {
	entries, err := l.read(ctx, dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := path.Join(dir, e.Name())
		if e.IsDir() {
			within := outside
			if within == "" && slices.Contains(vendored, e.Name()) {
				within = at
			}
			if err := d.walk(ctx, l, r, at, within); err != nil {
				return err
			}
			continue
		}
		role, variant := roleOf(e.Name())
		switch {
		case role == noDockerfile:
		case outside != "":
			d.leave(at, "it lies in "+outside)
		case role == isTemplate:
			d.leave(at, "it is a template")
		default:
			if err := d.file(ctx, r, at, variant); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *discovery) leave(name, why string) {
	d.warnings = append(d.warnings, fmt.Sprintf("%s is left out: %s", name, why))
}

// file takes up a file that is called like a Dockerfile.
func (d *discovery) file(ctx context.Context, r *reader, name, variant string) error {
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
	im := &foundImage{dockerfile: name, variant: variant}
	if im.recipe, im.broken = readRecipe(text, d.args); im.broken != nil {
		if strings.Contains(im.broken.Error(), "file with no instructions") {
			d.leave(name, "it is empty")
			return nil
		}
		im.recipe = &recipe{unknown: true}
	}
	d.images = append(d.images, im)
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
			dockerfile: &text{text: relative(im.context, im.dockerfile)},
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
		if len(im.open) > 0 {
			out = append(out, fmt.Sprintf("%s: its build context is ambiguous (%s): %s is taken", im.dockerfile, strings.Join(im.open, " or "), im.context))
		}
		for _, ref := range im.unmet {
			out = append(out, im.dockerfile+": "+ref)
		}
	}
	for _, q := range d.questions {
		out = append(out, q.said())
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

// describe says of each image where it comes from.
func (d *discovery) describe(images []impact.Image) {
	for i := range images {
		for _, im := range d.images {
			if im.name == images[i].Name {
				images[i].Origin = im.origin()
				images[i].Ambiguous = len(im.open) > 0
				if !im.writable() { // no file that bake reads can hold its name
					images[i].Dockerfile, images[i].Context = im.dockerfile, im.context
				}
			}
		}
	}
}

// origin is where an image comes from, in words.
func (im *foundImage) origin() string {
	out := "found: context " + im.context + ": " + im.why
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
