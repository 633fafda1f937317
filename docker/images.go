package docker

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/distribution/reference"

	"rebuild/impact"
)

// Image is what an engine says of one image.
type Image struct {
	ID     string
	Config []byte   // OCI image config JSON with the diff ids; history is absent, an engine does not tell it
	Chain  []string // diff ids of the root filesystem
	Tags   []string // as the engine spells them

	Digests []string // references with a digest, as the engine spells them; only in lists
}

// Shown is the image's content as an engine shows it: root filesystem and config, without
// times, history, and some of its labels. Who builds the same with other tools gets another
// id.
func (im Image) Shown(without []string) impact.Digest {
	config := im.Config
	var fields map[string]any
	if len(without) > 0 && json.Unmarshal(config, &fields) == nil {
		if inner, ok := fields["config"].(map[string]any); ok {
			if labels, ok := inner["Labels"].(map[string]any); ok {
				maps.DeleteFunc(labels, func(name string, _ any) bool { return slices.Contains(without, name) })
			}
		}
		if out, err := json.Marshal(fields); err == nil {
			config = out
		}
	}
	return impact.DigestOf("shown", append([]string{string(timeless(config))}, im.Chain...)...)
}

// Labels are those of the image's config.
func (im Image) Labels() map[string]string {
	var shown struct {
		Config struct{ Labels map[string]string }
	}
	if json.Unmarshal(im.Config, &shown) != nil {
		return nil
	}
	return shown.Config.Labels
}

// Images is what an engine had at one moment. The zero value is that of a builder, which
// has no store to ask.
type Images struct {
	known  bool              // false for a builder
	refs   map[string]string // normalised reference -> image id
	tagged map[string]bool   // image id -> it has a tag
}

// NewImages is what a store holds that has these images, each with the references that
// its Tags and Digests spell.
func NewImages(list []Image) Images {
	im := Images{known: true, refs: map[string]string{}, tagged: map[string]bool{}}
	for _, one := range list {
		im.add(one.ID, one.Tags, one.Digests)
	}
	return im
}

func (im *Images) add(id string, tags, digests []string) {
	im.tagged[id] = false
	for _, ref := range tags {
		if name, err := NormalRef(ref); err == nil {
			im.refs[name] = id
			im.tagged[id] = true
		}
	}
	for _, ref := range digests {
		if name, err := NormalRef(ref); err == nil {
			im.refs[name] = id
		}
	}
}

// Known tells whether the engine could say what it holds; a builder cannot.
func (im Images) Known() bool { return im.known }

// ID is the id of the image that a normalised reference (with tag or digest)
// names, "" when there is none.
func (im Images) ID(ref string) string { return im.refs[ref] }

// Has tells whether an image is there.
func (im Images) Has(id string) bool {
	_, ok := im.tagged[id]
	return ok
}

// Untagged tells whether an image is there without any tag.
func (im Images) Untagged(id string) bool {
	tagged, ok := im.tagged[id]
	return ok && !tagged
}

// Refs lists all references, sorted.
func (im Images) Refs() []string { return slices.Sorted(maps.Keys(im.refs)) }

// NormalRef spells a reference in full: "app" is
// "docker.io/library/app:latest". The "<none>" of an engine's lists is none.
func NormalRef(ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", err
	}
	return reference.TagNameOnly(named).String(), nil
}
