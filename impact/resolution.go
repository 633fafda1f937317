package impact

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// resolution answers one image's references.
type resolution struct {
	scan  *scan
	image string

	mu    sync.Mutex // guards what follows as long as the image is converted
	waits string
	bases map[string]Base // what each reference stands for
}

func (r *resolution) resolve(ctx context.Context, ref, platform string) (Base, error) {
	base, err := r.find(ctx, ref, platform)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		var p *Pending
		// Of several, the same one always, so that a cycle is printed the same way.
		if errors.As(err, &p) && (r.waits == "" || p.Image < r.waits) {
			r.waits = p.Image
		}
		return Base{}, err
	}
	r.bases[ref] = base
	return base, nil
}

func (r *resolution) find(ctx context.Context, ref, platform string) (Base, error) {
	owners := r.linked(ref)
	// An image built on its own older tag takes what is there: no cycle.
	if len(owners) == 0 || slices.Contains(owners, r.image) {
		return r.scan.External(ctx, ref, platform)
	}
	if len(owners) > 1 && !r.scan.sameBuild(owners) {
		return Base{}, &Fault{Cause: fmt.Sprintf("the tag %s is built by both %s and %s", ref, owners[0], owners[1]), Hint: "give one of them another tag"}
	}
	r.scan.mu.Lock()
	st := r.scan.states[owners[0]]
	r.scan.mu.Unlock()
	if st == nil {
		return Base{}, &Pending{Image: owners[0]}
	}
	return Base{
		Image: st.Name, Key: st.Output, OwnKey: st.OwnOutput, Config: r.scan.WithKey(st.base, st.Output),
		Unjudged: st.Err != nil && st.base == nil,
	}, nil
}

// mentioned gives the images that a graph mentions, without those that are parents in
// any case.
func (r *resolution) mentioned(g *Graph) []Parent {
	var found []Parent
	for _, im := range r.scan.cat.Images {
		named := func(ref string) bool { return g.Mentions(ref) && !slices.Contains(g.Refs, ref) }
		i := slices.IndexFunc(im.Refs, named)
		if i < 0 || im.Name == r.image || r.scan.ignored[[2]string{r.image, im.Name}] {
			continue
		}
		r.scan.mu.Lock()
		st := r.scan.states[im.Name]
		r.scan.mu.Unlock()
		if st == nil {
			r.waits = im.Name
			return nil
		}
		found = append(found, Parent{Image: im.Name, Ref: im.Refs[i]})
	}
	return found
}

// linked gives the images that a reference may mean: those that have it as a tag or,
// where a named context of the image names one of these outright, that one.
func (r *resolution) linked(ref string) []string {
	owners := r.scan.byRef[ref]
	if len(owners) < 2 {
		return owners
	}
	for _, c := range r.scan.images[r.image].Contexts {
		if c.Ref == ref && slices.Contains(owners, c.Image) {
			return []string{c.Image}
		}
	}
	return owners
}

func (sc *scan) sameBuild(names []string) bool {
	first := definition(sc.images[names[0]])
	for _, n := range names[1:] {
		d := definition(sc.images[n])
		if d.Rest != first.Rest || d.Dockerfile != first.Dockerfile || d.Context != first.Context || d.Target != first.Target || !maps.Equal(d.Args, first.Args) {
			return false
		}
	}
	return true
}

// key is the identity of the root filesystem behind a reference. One that the
// frontend did not ask for (the files of an image, COPY --from with a digest)
// stands for itself.
func (r *resolution) key(ref string) Digest {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b, ok := r.bases[ref]; ok {
		return b.Key
	}
	return DigestOf("reference", ref)
}

// ownKey is the same without what is only copied; of an external image nothing is
// known to be.
func (r *resolution) ownKey(ref string) Digest {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b := r.bases[ref]; b.OwnKey != "" {
		return b.OwnKey
	}
	return r.bases[ref].Key
}

// keepOnly forgets the references that were asked for in vain.
func (r *resolution) keepOnly(refs []string) {
	maps.DeleteFunc(r.bases, func(ref string, _ Base) bool { return !slices.Contains(refs, ref) })
}

// edges sets an image's parents and external images.
func (r *resolution) edges(st *State, g *Graph) {
	for _, ref := range slices.Sorted(maps.Keys(r.bases)) {
		if b := r.bases[ref]; b.Image != "" {
			st.Parents = append(st.Parents, Parent{Image: b.Image, Ref: ref, FilesOnly: filesOnly(g, ref)})
		} else {
			st.Bases = append(st.Bases, ExternalRef{Ref: ref, Key: b.Key, Known: b.Known})
		}
	}
	sortParents(st.Parents)
}

func sortParents(parents []Parent) {
	slices.SortStableFunc(parents, func(a, b Parent) int { return strings.Compare(a.Image, b.Image) })
}

// filesOnly tells whether each layer that is the image takes no more than files.
func filesOnly(g *Graph, ref string) bool {
	found := false
	for i := range layersOf(g) {
		if l := g.Layers[i]; l.From == ref {
			if !l.FilesOnly {
				return false
			}
			found = true
		}
	}
	return found
}

func layersOf(g *Graph) []Layer {
	if g == nil {
		return nil
	}
	return g.Layers
}
