package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"rebuild/impact"
)

// derive adds the images that a phase derives, and gives their names.
func derive(cat *impact.Catalog, doc *document, ph phase) ([]string, error) {
	d := ph.derive
	from := matching(texts(d.from), cat.Names())
	if len(from) == 0 {
		return nil, doc.fault(d.from[0], "derive in phase %q: no image matches %q", ph.name.text, texts(d.from))
	}
	var names []string
	used := map[string]bool{}                  // keys of rename that changed something
	if len(cat.Images)+len(from) > maxBlocks { // each phase can double them
		return nil, doc.fault(d.from[0], "derive in phase %q makes more than %d images", ph.name.text, maxBlocks)
	}
	for _, name := range from {
		orig, _ := cat.Image(name)
		im, err := d.image(cat, doc, orig, used)
		if err != nil {
			return nil, err
		}
		cat.Images = append(cat.Images, im)
		names = append(names, im.Name)
		if slices.Contains(cat.Default, name) {
			// Who builds the original without asking gets what is derived too.
			cat.Default = append(cat.Default, im.Name)
		}
	}
	for _, p := range d.rename {
		if !used[p.key.text] {
			return nil, doc.fault(p.key, "rename: no name or tag of the matched images has the word %q", p.key.text)
		}
	}
	return names, nil
}

// image derives one image.
func (d *derivation) image(cat *impact.Catalog, doc *document, orig impact.Image, used map[string]bool) (impact.Image, error) {
	im := clone(orig)
	im.DerivedOf = orig.Name
	im.Origin = fmt.Sprintf("%s: derived from %s", doc.path, orig.Name)
	im.Name = d.renamed(orig.Name, used)
	at := d.rename[0].key
	switch {
	case im.Name == orig.Name:
		return im, doc.fault(at, "rename leaves the name %q as it is", orig.Name)
	case !imageName.MatchString(im.Name):
		return im, doc.fault(at, "rename makes %q of %q: only letters, digits, _ and - are allowed", im.Name, orig.Name)
	case slices.Contains(cat.Names(), im.Name):
		return im, doc.fault(at, "rename makes %q of %q, but there is an image of that name", im.Name, orig.Name)
	case cat.Groups[im.Name] != nil || cat.BadGroups[im.Name] != nil:
		return im, doc.fault(at, "rename makes %q of %q, but there is a group of that name", im.Name, orig.Name)
	}
	for i, tag := range orig.Tags {
		im.Tags[i] = d.renamed(tag, used)
		if im.Tags[i] == tag {
			return im, doc.fault(at, "rename leaves the tag %q as it is: %s would take it from %s", tag, im.Name, orig.Name)
		}
	}
	if bad, err := setRefs(&im); err != nil {
		return im, doc.fault(at, "rename makes the tag %q: %v", bad, err)
	}
	for _, p := range d.replace {
		if err := replaceBase(cat, &im, p.key.text, p.value.text); err != nil {
			return im, doc.fault(p.key, "replace: %v", err)
		}
	}
	slices.SortFunc(im.Contexts, func(a, b impact.NamedContext) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range d.substitute {
		im.Substitute = append(im.Substitute, impact.Substitution{Old: p.key.text, New: p.value.text})
	}
	return im, nil
}

// clone copies an image so that a change of one does not show in the other.
func clone(im impact.Image) impact.Image {
	im.Tags = slices.Clone(im.Tags)
	im.Args = maps.Clone(im.Args)
	im.Labels = maps.Clone(im.Labels)
	im.Export = maps.Clone(im.Export)
	im.Resources = maps.Clone(im.Resources)
	im.Contexts = slices.Clone(im.Contexts)
	im.Substitute = slices.Clone(im.Substitute)
	return im
}

// renamed applies the renames in their order.
func (d *derivation) renamed(s string, used map[string]bool) string {
	for _, p := range d.rename {
		if next := replaceWord(s, p.key.text, p.value.text); next != s {
			s = next
			used[p.key.text] = true
		}
	}
	return s
}

// replaceWord replaces a word wherever it stands whole, between the ends and
// the separators of names and references: "cuda" in "asr-cuda" and
// "team/cuda:1", not in "cudnn" or "cuda12".
func replaceWord(s, word, with string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		end := i + len(word)
		if strings.HasPrefix(s[i:], word) && atBorder(s, i) && atBorder(s, end) {
			b.WriteString(with)
			i = end
			continue
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}

// atBorder tells whether a word can begin or end at i.
func atBorder(s string, i int) bool {
	const separators = "-:/_."
	return i == 0 || i == len(s) || strings.IndexByte(separators, s[i]) >= 0 || strings.IndexByte(separators, s[i-1]) >= 0
}

// replaceBase lets an image read another base instead of the one it names: by
// a named context under the base's reference, which is what FROM and --from
// look up, and by turning the contexts that stand for it already.
func replaceBase(cat *impact.Catalog, im *impact.Image, base, by string) error {
	name, err := contextName(base)
	if err != nil {
		return fmt.Errorf("%q is not an image reference: %w", base, err)
	}
	if _, err := contextName(by); err != nil {
		return fmt.Errorf("%q is not an image reference: %w", by, err)
	}
	im.Contexts = slices.DeleteFunc(im.Contexts, func(c impact.NamedContext) bool { return c.Name == name })
	for i, c := range im.Contexts {
		if standsFor(cat, c, base) {
			im.Contexts[i] = impact.NamedContext{Name: c.Name, Ref: by}
		}
	}
	im.Contexts = append(im.Contexts, impact.NamedContext{Name: name, Ref: by})
	return nil
}

// standsFor tells whether a named context is the image of that reference.
func standsFor(cat *impact.Catalog, c impact.NamedContext, ref string) bool {
	if c.Ref != "" {
		return sameImage(c.Ref, ref)
	}
	im, ok := cat.Image(c.Image)
	return ok && slices.Contains(im.Refs, canonical(ref))
}
