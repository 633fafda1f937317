package catalog

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"rebuild/impact"
)

// Written is a rebuild.yaml to be written.
type Written struct {
	Comments    []string // the lines that it begins with
	Noted       string   // one more, kept to the byte: a program reads it
	Definitions []string // files that define images besides, relative to it
	LeftOut     []string // names or patterns of their images that are not wanted
	Images      []WrittenImage
	Phases      []WrittenPhase
}

// WrittenImage is an image that it defines. Of the image count the fields for which a
// rebuild.yaml has a word.
type WrittenImage struct {
	impact.Image
	Comments        []string
	FromEnvironment []string // names of arguments whose value is that of the environment
}

// WrittenPhase is a phase that it declares.
type WrittenPhase struct {
	Name     string
	Critical bool
	Images   []string
	Derive   *WrittenDerivation
}

// WrittenDerivation is a phase's derive; its maps keep their order.
type WrittenDerivation struct {
	From                        []string
	Rename, Replace, Substitute []impact.Substitution
}

// Unwritable says what of an image a rebuild.yaml has no word for, which a build would
// miss.
func Unwritable(im impact.Image) []string {
	var out []string
	for what, has := range map[string]bool{
		"labels": len(im.Labels) > 0, "network": im.Network != "", "secrets": len(im.Secrets) > 0, "ssh": len(im.SSH) > 0, "extra hosts": len(im.ExtraHosts) > 0,
		"ulimits": len(im.Ulimits) > 0, "shm-size": im.ShmSize != "", "entitlements": len(im.Entitlements) > 0, "attestations": len(im.Attest) > 0,
		"annotations": len(im.Annotations) > 0, "output attributes": len(im.Export) > 0, "resources": len(im.Resources) > 0,
	} {
		if has {
			out = append(out, what)
		}
	}
	slices.Sort(out)
	return out
}

// Text is the file.
func (w Written) Text() []byte {
	var b bytes.Buffer
	for _, c := range w.Comments {
		fmt.Fprintf(&b, "# %s\n", oneLine(c))
	}
	if w.Noted != "" {
		fmt.Fprintf(&b, "# %s\n", w.Noted)
	}
	switch len(w.Definitions) {
	case 0:
	case 1:
		fmt.Fprintf(&b, "\ndefinitions: %s\n", scalar(w.Definitions[0]))
	default:
		fmt.Fprintf(&b, "\ndefinitions: %s\n", flow(w.Definitions))
	}
	if len(w.Images)+len(w.LeftOut) > 0 {
		b.WriteString("\nimages:\n")
	}
	for _, name := range w.LeftOut {
		fmt.Fprintf(&b, "  %s: false\n", scalar(name))
	}
	for _, im := range w.Images {
		im.write(&b)
	}
	if len(w.Phases) > 0 {
		b.WriteString("\nphases:\n")
	}
	for _, ph := range w.Phases {
		ph.write(&b)
	}
	return b.Bytes()
}

func (im WrittenImage) write(b *bytes.Buffer) {
	for _, c := range im.Comments {
		fmt.Fprintf(b, "  # %s\n", oneLine(c))
	}
	fmt.Fprintf(b, "  %s:\n", scalar(im.Name))
	line := func(key, value string) { fmt.Fprintf(b, "    %s: %s\n", key, value) }
	context := im.Context
	if im.RemoteContext != "" {
		context = im.RemoteContext
	}
	if context != "." {
		line("context", scalar(context))
	}
	name := im.Dockerfile
	if im.RemoteContext == "" && !isAbs(im.Dockerfile) {
		name = below(im.Context, im.Dockerfile)
	}
	switch {
	case im.Inline != "":
		line("dockerfile_inline", lines(im.Inline, "      "))
	case name != "Dockerfile" || context == ".":
		line("dockerfile", scalar(name))
	}
	if im.Target != "" {
		line("target", scalar(im.Target))
	}
	if len(im.Tags) > 0 {
		line("tags", flow(im.Tags))
	}
	if len(im.Platforms) > 0 {
		line("platforms", flow(im.Platforms))
	}
	var args []string
	for _, name := range slices.Sorted(maps.Keys(im.Args)) {
		if !slices.Contains(im.FromEnvironment, name) {
			args = append(args, scalar(name)+": "+scalar(im.Args[name]))
		}
	}
	for _, name := range im.FromEnvironment {
		args = append(args, scalar(name)+": null")
	}
	if len(args) > 0 {
		line("args", "{"+strings.Join(args, ", ")+"}")
	}
	var contexts []string
	for _, c := range im.Contexts {
		contexts = append(contexts, scalar(c.Name)+": "+scalar(contextValue(c)))
	}
	if len(contexts) > 0 {
		line("contexts", "{"+strings.Join(contexts, ", ")+"}")
	}
}

// below words a path of the tree as one from a folder of it; a folder elsewhere has no way
// to it, and gives the path itself.
func below(dir, name string) string {
	rel, err := filepath.Rel(filepath.FromSlash(dir), filepath.FromSlash(name))
	if err != nil {
		return name
	}
	return filepath.ToSlash(rel)
}

// contextValue words a named context as bake does.
func contextValue(c impact.NamedContext) string {
	switch {
	case c.Image != "":
		return "target:" + c.Image
	case c.Ref != "":
		return "docker-image://" + c.Ref
	case c.URL != "":
		return c.URL
	}
	return c.Dir
}

func (ph WrittenPhase) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "  - name: %s\n", scalar(ph.Name))
	if len(ph.Images) > 0 {
		fmt.Fprintf(b, "    images: %s\n", flow(ph.Images))
	}
	if ph.Critical {
		b.WriteString("    critical: true\n")
	}
	d := ph.Derive
	if d == nil {
		return
	}
	fmt.Fprintf(b, "    derive:\n      from: %s\n", flow(d.From))
	for _, m := range []struct {
		key   string
		pairs []impact.Substitution
	}{{"rename", d.Rename}, {"replace", d.Replace}, {"substitute", d.Substitute}} {
		if len(m.pairs) == 0 {
			continue
		}
		var words []string
		for _, p := range m.pairs {
			words = append(words, scalar(p.Old)+": "+scalar(p.New))
		}
		fmt.Fprintf(b, "      %s: {%s}\n", m.key, strings.Join(words, ", "))
	}
}

// flow writes a list in one line.
func flow(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = scalar(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// lines writes a text in lines of its own where YAML keeps it to the byte, else as a
// quoted string.
func lines(text, indent string) string {
	odd := func(r rune) bool { return r != '\n' && r != '\t' && (!unicode.IsPrint(r) || r == utf8.RuneError) }
	trimmed := strings.TrimSuffix(text, "\n")
	if trimmed == text || trimmed == "" || strings.HasSuffix(trimmed, "\n") || strings.ContainsFunc(text, odd) || strings.ContainsAny(text[:1], " \t\n") {
		return scalar(text)
	}
	var b strings.Builder
	b.WriteString("|")
	for line := range strings.SplitSeq(trimmed, "\n") {
		b.WriteString("\n")
		if line != "" {
			b.WriteString(indent + line)
		}
	}
	return b.String()
}

// References lists the images that a Dockerfile reads with the arguments given, as
// written there, without those that no value is known for.
func References(text []byte, args map[string]string) ([]string, error) {
	r, err := readRecipe(text, args)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, ref := range r.refs {
		out = append(out, ref.text)
	}
	return out, nil
}

// Canonical gives the full form of a reference: "app" is "docker.io/library/app:latest".
// What is none is left as it is.
func Canonical(ref string) string { return canonical(ref) }

// ReplaceWord replaces a word as derive's rename does: wherever it stands whole.
func ReplaceWord(s, word, with string) string { return replaceWord(s, word, with) }

// Matching gives the names that the patterns of a phase choose.
func Matching(patterns, names []string) []string { return matching(patterns, names) }
