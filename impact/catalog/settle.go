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

	"rebuild/impact/catalog/evidence"
)

// told is a build that a file of the repository asks for, with its paths found.
type told struct {
	evidence.Build
	context, dockerfile string
}

// gathered is what the files of a tree tell of its builds.
type gathered struct {
	byDockerfile map[string][]told
	definitions  []string // files that are handed to bake
	read         []string // what told of them
	unread       []string // what only a run of theirs would tell, in words
}

// gather reads what a tree has that tells of builds. has tells of a Dockerfile whether it
// is there.
func (s *survey) gather(ctx context.Context, r *reader) (*gathered, error) {
	g := &gathered{byDockerfile: map[string][]told{}}
	has := map[string]bool{}
	for _, f := range s.dockerfiles {
		has[f.path] = f.role == isDockerfile
	}
	there := func(name string) bool {
		known, ok := has[name]
		if !ok && name != "" && path.Base(name) != "Dockerfile" { // called as nobody would guess
			_, err := r.files.ReadFile(ctx, name)
			known = err == nil
			has[name] = known
		}
		return known
	}
	for _, name := range s.evidence {
		text, err := r.files.ReadFile(ctx, name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		r.evaluates(name)
		found := evidence.Of(name, text)
		g.definitions = append(g.definitions, found.Definitions...)
		for _, b := range found.Builds {
			if t, ok := locate(b, there); ok {
				g.byDockerfile[t.dockerfile] = append(g.byDockerfile[t.dockerfile], t)
			}
		}
		if found.Unread != "" {
			g.unread = append(g.unread, fmt.Sprintf("%s builds images in a way that only a run tells: rebuild record -- %s", found.Unread, found.Run))
		}
		if len(found.Builds)+len(found.Definitions) > 0 || found.Unread != "" {
			g.read = append(g.read, name)
		}
	}
	return g, nil
}

// locate finds the Dockerfile of a build: in the one of the folders that it may run in
// that has it.
func locate(b evidence.Build, there func(string) bool) (told, bool) {
	var out []told
	for _, dir := range b.Dirs {
		t := told{Build: b, context: within(dir, b.Context)}
		if t.context == "" {
			continue
		}
		from := dir
		if b.InContext {
			from = t.context
		}
		if t.dockerfile = within(from, b.Dockerfile); there(t.dockerfile) {
			out = append(out, t)
		}
	}
	if len(out) != 1 {
		return told{}, false
	}
	return out[0], true
}

// within puts a path under a folder of the tree; "" when it leads out of it.
func within(dir, name string) string {
	out := path.Join(dir, name)
	if path.IsAbs(name) || out == ".." || strings.HasPrefix(out, "../") {
		return ""
	}
	return out
}

// way is one way in which a Dockerfile is built: what several places say of it that agree.
type way struct {
	told
	where []string
}

// agrees takes up what another place says, unless it contradicts.
func (w *way) agrees(t told) bool {
	if w.context != t.context || w.Target != t.Target || w.another(t) {
		return false
	}
	for name, value := range t.given() {
		if own, ok := w.Args[name]; ok && own != value {
			return false
		}
	}
	w.Args = maps.Clone(w.Args)
	maps.Copy(w.Args, t.given())
	w.Computed = w.Computed || t.Computed
	for _, tag := range t.Tags {
		if !slices.Contains(w.Tags, tag) {
			w.Tags = append(slices.Clip(w.Tags), tag)
		}
	}
	if !slices.Contains(w.where, t.Where) {
		w.where = append(w.where, t.Where)
	}
	return true
}

// another tells whether a build is of another image: it has tags of its own, and other
// arguments, all of which are known.
func (w *way) another(t told) bool {
	if len(w.Tags) == 0 || len(t.Tags) == 0 || w.Computed || t.Computed || maps.Equal(w.Args, t.given()) {
		return false
	}
	return !slices.ContainsFunc(t.Tags, func(tag string) bool { return slices.Contains(w.Tags, tag) })
}

// given are the build arguments of a build, the images that it requires among them.
func (t told) given() map[string]string {
	out := map[string]string{}
	maps.Copy(out, t.Args)
	maps.Copy(out, t.Requires)
	return out
}

// ways sorts what places say of a Dockerfile. What is built without a tag, in another way
// than what has one, is no image that anybody keeps: a test, say.
func ways(builds []told) []way {
	var out []way
	add := func(t told) {
		for i := range out {
			if out[i].agrees(t) {
				return
			}
		}
		first := way{told: t, where: []string{t.Where}}
		first.Args = t.given()
		out = append(out, first)
	}
	tagged := slices.ContainsFunc(builds, func(t told) bool { return len(t.Tags) > 0 })
	for _, t := range builds {
		if len(t.Tags) > 0 || !tagged {
			add(t)
		}
	}
	for _, t := range builds {
		if tagged && len(t.Tags) == 0 && slices.ContainsFunc(out, func(w way) bool { return w.context != t.context }) {
			add(t)
		}
	}
	return out
}

// several tells whether the ways are as many images: each has tags that no other has, and
// all have one context.
func several(ways []way) bool {
	seen := map[string]bool{}
	for _, w := range ways {
		if len(w.Tags) == 0 || w.context != ways[0].context {
			return false
		}
		for _, tag := range w.Tags {
			if seen[canonical(tag)] {
				return false
			}
			seen[canonical(tag)] = true
		}
	}
	return true
}

// settle gives an image what is told of its Dockerfile. Where that is several images, it
// gives the others.
func (im *foundImage) settle(builds []told) (others []*foundImage) {
	all := ways(builds)
	switch {
	case len(all) == 0:
	case len(all) == 1 || several(all):
		plain := *im
		for i, w := range all {
			to := im
			if i > 0 {
				other := plain
				to = &other
				others = append(others, to)
			}
			to.told(w)
		}
	default:
		im.contradiction(all)
	}
	return others
}

// told takes over one way of building an image.
func (im *foundImage) told(w way) {
	im.context, im.why, im.settled = w.context, "as "+some(w.where)+" has it", true
	im.target, im.given = w.Target, w.Args
	im.tag(w.Tags, w.where[0])
}

// tag gives an image the tags that are told of it.
func (im *foundImage) tag(tags []string, where string) {
	for _, tag := range tags {
		if _, err := normalise(tag); err == nil {
			im.tags, im.tagged = append(im.tags, tag), where
		}
	}
}

// contradiction notes that places disagree.
func (im *foundImage) contradiction(all []way) {
	var said []string
	for _, w := range all {
		if !slices.Contains(im.open, w.context) {
			im.open = append(im.open, w.context)
		}
		said = append(said, w.where[0]+" has "+w.said())
	}
	im.context = all[0].context
	for _, w := range all {
		if im.context != w.context && (w.context == "." || strings.HasPrefix(im.context, w.context+"/")) {
			im.context = w.context // which holds what the other does
		}
	}
	if len(im.open) == 1 {
		im.open = nil
	}
	im.tag(slices.DeleteFunc(slices.Clone(all[0].Tags), func(tag string) bool {
		return slices.ContainsFunc(all, func(w way) bool { return !slices.Contains(w.Tags, tag) })
	}), all[0].where[0])
	im.settled, im.disputed = true, strings.Join(said, ", ")
	im.why = "ambiguous: " + im.disputed
}

// said words what a way asks for.
func (w way) said() string {
	out := "context " + w.context
	if w.Target != "" {
		out += ", target " + w.Target
	}
	for _, name := range sortedKeys(w.Args) {
		out += ", " + name + "=" + w.Args[name]
	}
	return out
}
