package recording

import (
	"regexp"
	"slices"
	"strings"

	"rebuild/impact"
	"rebuild/impact/catalog"
)

// derivation is how an image comes of another: by other words in its name and tags, other
// bases, other text.
type derivation struct {
	of                          *Image
	rename, replace, substitute []impact.Substitution
}

// same tells whether two derivations do the same to different images.
func (d *derivation) same(o *derivation) bool {
	return slices.Equal(d.rename, o.rename) && slices.Equal(d.replace, o.replace) && slices.Equal(d.substitute, o.substitute)
}

// derive finds the image that an image with a Dockerfile of its own was made from: one
// whose Dockerfile has as many lines, few of which differ, and that is built alike.
func derive(im *Image, among []*Image) *derivation {
	if slices.ContainsFunc(among, func(o *Image) bool { return !o.generic && o.text == im.text }) {
		return nil // it is that file, whatever else is like it
	}
	var best *derivation
	fewest := 0
	for _, of := range among {
		if of == im || of.generic || of.text == "" || !alike(im, of) {
			continue
		}
		d, changed := derivedFrom(im, of)
		if d != nil && (best == nil || changed < fewest) {
			best, fewest = d, changed
		}
	}
	return best
}

// alike tells whether two images are built in the same way, but for the Dockerfile.
func alike(a, b *Image) bool {
	return a.Context == b.Context && a.RemoteContext == b.RemoteContext && a.Target == b.Target && sameArgs(a, b) &&
		slices.Equal(a.Platforms, b.Platforms) && slices.Equal(a.Contexts, b.Contexts) && len(a.Tags) == len(b.Tags) && len(a.Tags) > 0
}

func sameArgs(a, b *Image) bool {
	if len(a.Args) != len(b.Args) {
		return false
	}
	for name, v := range a.Args {
		if w, ok := b.Args[name]; !ok || v != w {
			return false
		}
	}
	return slices.Equal(a.fromEnv, b.fromEnv)
}

// mostChanged is how much of a Dockerfile may differ for it to be the same one, changed:
// half of its lines.
const mostChanged = 2

// derivedFrom says how one image comes of another, and how many lines differ; nil when
// what a definition can say would not make its Dockerfile to the byte.
func derivedFrom(im, of *Image) (*derivation, int) {
	before, after := strings.Split(of.text, "\n"), strings.Split(im.text, "\n")
	if len(before) != len(after) {
		return nil, 0
	}
	d := &derivation{of: of}
	changed := 0
	for i, old := range before {
		if old == after[i] {
			continue
		}
		changed++
		if p, ok := baseChange(old, after[i]); ok {
			d.replace = with(d.replace, p)
		} else if p, ok := wordChange(old, after[i]); ok {
			d.substitute = with(d.substitute, p)
		} else {
			return nil, 0
		}
	}
	if changed == 0 || changed > max(1, len(before)/mostChanged) {
		return nil, 0
	}
	if d.applied(of.text) != im.text {
		// A base may stand elsewhere as well: then its text is replaced, too.
		d.substitute, d.replace = append(d.substitute, d.replace...), nil
		if d.applied(of.text) != im.text {
			return nil, 0
		}
	}
	if d.rename = renames(of.Tags, im.Tags); d.rename == nil || d.name() == of.Name {
		return nil, 0
	}
	return d, changed
}

// name is what the derived image is called.
func (d *derivation) name() string {
	name := d.of.Name
	for _, p := range d.rename {
		name = catalog.ReplaceWord(name, p.Old, p.New)
	}
	return name
}

func with(list []impact.Substitution, p impact.Substitution) []impact.Substitution {
	if slices.Contains(list, p) {
		return list
	}
	return append(list, p)
}

// reference is where a Dockerfile names another image.
var reference = regexp.MustCompile(`(?im)(^\s*FROM\s+(?:--\S+\s+)*|^\s*(?:COPY|ADD|RUN)\s.*?\bfrom=)([^\s,]+)`)

// applied is what a Dockerfile becomes.
func (d *derivation) applied(text string) string {
	for _, p := range d.substitute {
		text = strings.ReplaceAll(text, p.Old, p.New)
	}
	return replaceBases(text, d.replace)
}

// replaceBases writes other images into the lines that name them.
func replaceBases(text string, replace []impact.Substitution) string {
	if len(replace) == 0 {
		return text
	}
	return reference.ReplaceAllStringFunc(text, func(match string) string {
		parts := reference.FindStringSubmatch(match)
		for _, p := range replace {
			if catalog.Canonical(parts[2]) == catalog.Canonical(p.Old) {
				return parts[1] + p.New
			}
		}
		return match
	})
}

// baseChange reads a line in which only the base image differs.
func baseChange(old, now string) (impact.Substitution, bool) {
	a, b := reference.FindStringSubmatchIndex(old), reference.FindStringSubmatchIndex(now)
	if a == nil || b == nil || old[:a[4]] != now[:b[4]] || old[a[5]:] != now[b[5]:] {
		return impact.Substitution{}, false
	}
	p := impact.Substitution{Old: old[a[4]:a[5]], New: now[b[4]:b[5]]}
	return p, !strings.Contains(p.Old+p.New, "$") && p.Old != "scratch" && p.New != "scratch"
}

// wordChange reads a line of which one stretch differs: from the border of a word to
// another, so that it is found again where it should be and nowhere else.
func wordChange(old, now string) (impact.Substitution, bool) {
	from := 0
	for from < min(len(old), len(now)) && old[from] == now[from] {
		from++
	}
	tail := 0
	for tail < min(len(old), len(now))-from && old[len(old)-1-tail] == now[len(now)-1-tail] {
		tail++
	}
	inWord := func(c byte) bool { return !strings.ContainsRune(" \t\"'=&|;<>()[]{},", rune(c)) }
	for from > 0 && inWord(old[from-1]) {
		from--
	}
	for tail > 0 && inWord(old[len(old)-tail]) {
		tail--
	}
	p := impact.Substitution{Old: old[from : len(old)-tail], New: now[from : len(now)-tail]}
	return p, p.Old != ""
}

// renames finds the words by which tags differ from others, nil when no words do.
func renames(from, to []string) []impact.Substitution {
	var out []impact.Substitution
	for i, tag := range from {
		a, b := words(tag), words(to[i])
		if len(a) != len(b) {
			return nil
		}
		for k := range a {
			if a[k] == b[k] {
				continue
			}
			p := impact.Substitution{Old: a[k], New: b[k]}
			if strings.ContainsAny(p.Old+p.New, separators) {
				return nil
			}
			out = with(out, p)
		}
	}
	for i, tag := range from {
		for _, p := range out {
			tag = catalog.ReplaceWord(tag, p.Old, p.New)
		}
		if tag != to[i] {
			return nil
		}
	}
	return out
}

// separators stand between the words of names and tags (catalog's derive).
const separators = "-:/_."

// words splits a tag into words and what stands between them.
func words(tag string) []string {
	var out []string
	for tag != "" {
		at := strings.IndexAny(tag, separators)
		switch {
		case at < 0:
			return append(out, tag)
		case at == 0:
			out = append(out, tag[:1])
			tag = tag[1:]
		default:
			out = append(out, tag[:at])
			tag = tag[at:]
		}
	}
	return out
}
