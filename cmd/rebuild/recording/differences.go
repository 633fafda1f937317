package recording

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rebuild/impact"
	"rebuild/impact/catalog"
)

// differences lists what images that a script builds are otherwise in a catalog, in the
// words of who holds a file against a script: what the script does that the file does not
// know, and what the file has that no script builds. Images are told by their tags, as
// names, phases and the way in which one is derived are the user's to choose.
func differences(root string, script []*Image, cat impact.Catalog) []string {
	var out []string
	for _, im := range script {
		other, ok := counterpart(im, cat)
		if !ok {
			out = append(out, im.label()+": the script builds it, the file does not have it")
			continue
		}
		for _, d := range unequal(root, im.Image, other) {
			out = append(out, im.label()+": "+d)
		}
	}
	for _, other := range unbuilt(script, cat) {
		name := other.Name
		if len(other.Tags) > 0 {
			name = other.Tags[0]
		}
		out = append(out, name+": the file has it, the script does not build it")
	}
	return out
}

// lacking lists what bake and compose give images that the file does not, for which a
// rebuild.yaml has no word.
func lacking(script []*Image, cat impact.Catalog) []string {
	var out []string
	for _, im := range script {
		other, ok := counterpart(im, cat)
		for _, what := range catalog.Unwritable(im.Image) {
			if ok && !slices.Contains(catalog.Unwritable(other), what) {
				out = append(out, im.label()+": the script gives it "+what+", the file does not")
			}
		}
	}
	return out
}

// unbuilt are the images of a catalog that no script builds.
func unbuilt(script []*Image, cat impact.Catalog) []impact.Image {
	met := map[string]bool{}
	for _, im := range script {
		if other, ok := counterpart(im, cat); ok {
			met[other.Name] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(cat.Images), func(im impact.Image) bool { return met[im.Name] || im.Unwanted })
}

// counterpart finds an image by a tag; one without tags by its name.
func counterpart(im *Image, cat impact.Catalog) (impact.Image, bool) {
	for _, other := range cat.Images {
		if len(im.Tags) == 0 && other.Name == im.Name {
			return other, true
		}
		for _, tag := range im.Tags {
			if slices.Contains(other.Refs, catalog.Canonical(tag)) {
				return other, true
			}
		}
	}
	return impact.Image{}, false
}

// unequal says in what two definitions of an image differ: first as the script has it.
func unequal(root string, script, file impact.Image) []string {
	var out []string
	note := func(what, a, b string) {
		if a != b {
			out = append(out, fmt.Sprintf("%s: %s in the script, %s in the file", what, orNone(a), orNone(b)))
		}
	}
	for _, tag := range script.Tags {
		if !slices.Contains(file.Refs, catalog.Canonical(tag)) {
			out = append(out, "the script tags it "+tag+", the file does not")
		}
	}
	for _, tag := range file.Tags {
		if !slices.Contains(canonicalTags(script.Tags), catalog.Canonical(tag)) {
			out = append(out, "the file tags it "+tag+", the script does not")
		}
	}
	note("context", script.Context+script.RemoteContext, file.Context+file.RemoteContext)
	a, aContexts := effective(root, script)
	b, bContexts := effective(root, file)
	switch {
	case a == b && a != "":
	case script.Inline == "" && file.Inline == "" && script.Dockerfile != file.Dockerfile:
		note("Dockerfile", script.Dockerfile, file.Dockerfile)
	case a != b:
		out = append(out, "its Dockerfile differs: "+firstUnequal(a, b))
	}
	note("target", script.Target, file.Target)
	for _, name := range slices.Sorted(maps.Keys(union(script.Args, file.Args))) {
		a, b := valueOf(script.Args, name), valueOf(file.Args, name)
		switch {
		case !impact.SecretName(name):
			note("argument "+name, a, b)
		case a != b && file.Args[name] != leftToEnvironment:
			out = append(out, "argument "+name+": not the same in the script and in the file")
		}
	}
	note("platforms", strings.Join(script.Platforms, ", "), strings.Join(file.Platforms, ", "))
	for _, name := range slices.Sorted(maps.Keys(union(aContexts, bContexts))) {
		note("context "+name, aContexts[name], bContexts[name])
	}
	return out
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func valueOf(m map[string]string, name string) string {
	v, ok := m[name]
	if !ok {
		return ""
	}
	return fmt.Sprintf("%q", v)
}

func union(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, b)
	return all
}

// effective is the Dockerfile of an image as it is built: after substitutions, with the
// images that named contexts put in the place of others; and the contexts that are left.
func effective(root string, im impact.Image) (string, map[string]string) {
	text := im.Inline
	if text == "" && im.RemoteContext == "" {
		data, err := disk{root}.ReadFile(context.Background(), im.Dockerfile)
		if err != nil {
			text = "" // the paths are compared
		} else {
			text = string(data)
		}
	}
	for _, s := range im.Substitute {
		text = strings.ReplaceAll(text, s.Old, s.New)
	}
	contexts := map[string]string{}
	for _, c := range im.Contexts {
		if c.Ref == "" {
			contexts[c.Name] = c.Image + c.Dir + c.URL
			continue
		}
		replaced := replaceBases(text, []impact.Substitution{{Old: c.Name, New: c.Ref}})
		if replaced == text {
			contexts[c.Name] = c.Ref
		}
		text = replaced
	}
	return text, contexts
}

// firstUnequal names the first line in which two texts differ.
func firstUnequal(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(x), len(y)) {
		switch {
		case i >= len(x):
			return fmt.Sprintf("the file has a line %d, %q", i+1, y[i])
		case i >= len(y):
			return fmt.Sprintf("the script has a line %d, %q", i+1, x[i])
		case x[i] != y[i]:
			return fmt.Sprintf("line %d is %q in the script, %q in the file", i+1, x[i], y[i])
		}
	}
	return ""
}
