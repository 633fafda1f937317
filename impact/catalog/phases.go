package catalog

import (
	"fmt"
	"slices"

	"rebuild/impact"
	"rebuild/impact/spelling"
)

// remaining is the phase of the images that no declared phase matches. It
// comes last: what a user forgot to list is built all the same, after what
// the list says.
const remaining = "Other images"

// declare makes the phases of the document and the images that they derive.
//
// An image is in the first phase whose patterns match it; a derived one is in
// the phase that derives it, whatever others match. A derivation sees the
// images defined and those that earlier phases derived.
func declare(cat *impact.Catalog, doc *document) error {
	if len(doc.phases) == 0 {
		return nil
	}
	defined := cat.Names()
	placed := map[string]bool{}
	for _, ph := range doc.phases {
		out := impact.Phase{Name: ph.name.text, Critical: ph.critical, Optional: ph.optional, OnPush: ph.onPush}
		for _, name := range matching(texts(ph.patterns), defined) {
			if !placed[name] {
				placed[name] = true
				out.Images = append(out.Images, name)
			}
		}
		cat.Warnings = append(cat.Warnings, unmatched(doc, ph, defined)...)
		if ph.derive != nil {
			names, err := derive(cat, doc, ph)
			if err != nil {
				return err
			}
			out.Images = append(out.Images, names...)
		}
		cat.Phases = append(cat.Phases, out)
	}
	place := func(name string) bool { return placed[name] }
	if rest := slices.DeleteFunc(defined, place); len(rest) > 0 {
		addRemaining(cat, rest)
	}
	return nil
}

func addRemaining(cat *impact.Catalog, names []string) {
	i := slices.IndexFunc(cat.Phases, func(p impact.Phase) bool { return p.Name == remaining })
	if i < 0 {
		i = len(cat.Phases)
		cat.Phases = append(cat.Phases, impact.Phase{Name: remaining})
	}
	cat.Phases[i].Images = append(cat.Phases[i].Images, names...)
}

// unmatched warns of each pattern of a phase that no image's name fits.
func unmatched(doc *document, ph phase, names []string) []string {
	var out []string
	for _, p := range ph.patterns {
		positive := p.text
		if positive[0] == '!' {
			positive = positive[1:]
		}
		if !slices.ContainsFunc(names, func(n string) bool { return matches(positive, n) }) {
			out = append(out, fmt.Sprintf("%s:%d: phase %q: no image matches %q%s", doc.path, p.line, ph.name.text, positive, spelling.DidYouMean(positive, names)))
		}
	}
	return out
}

func texts(list []text) []string {
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = t.text
	}
	return out
}
