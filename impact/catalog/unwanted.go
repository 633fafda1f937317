package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/docker/buildx/bake"

	"rebuild/impact"
	"rebuild/impact/spelling"
)

// leaveOut marks the images that a rebuild.yaml leaves out.
func leaveOut(cat *impact.Catalog, doc *document) {
	if len(doc.leftOut) == 0 {
		return
	}
	names := cat.Names()
	out := matching(texts(doc.leftOut), names)
	for i := range cat.Images {
		im := &cat.Images[i]
		im.Unwanted = im.Unwanted || slices.Contains(out, im.Name)
	}
	for _, p := range doc.leftOut {
		if positive := strings.TrimPrefix(p.text, "!"); !slices.ContainsFunc(names, func(n string) bool { return matches(positive, n) }) {
			cat.Warnings = append(cat.Warnings, fmt.Sprintf("%s:%d: images: no image matches %q, which is to be left out%s", doc.path, p.line, positive, spelling.DidYouMean(positive, names)))
		}
	}
}

// isAbstract tells a target of bake that is there for others to inherit from: one whose
// name begins with "_", which bake calls private and does not list (buildx
// commands/bake.go), or that others inherit from and that says neither a tag nor a stage
// nor an output. One that a group names is to be built, as are those that inherit from
// each other in a circle, which bake takes: none of them is there for the others alone.
func (ev *evaluation) isAbstract(t *bake.Target) bool {
	for _, members := range ev.members {
		if slices.Contains(members, t.Name) {
			return false
		}
	}
	if strings.HasPrefix(t.Name, "_") {
		return true
	}
	if len(t.Tags) > 0 || value(t.Target) != "" || len(t.Outputs) > 0 {
		return false
	}
	return ev.inherited[t.Name] && !ev.inherits(t.Name, t.Name, map[string]bool{})
}

// inherits tells whether a target inherits from another, or from itself: directly or
// through those that it inherits from.
func (ev *evaluation) inherits(target, from string, seen map[string]bool) bool {
	for _, name := range ev.bases[target] {
		if name == from {
			return true
		}
		if !seen[name] {
			seen[name] = true
			if ev.inherits(name, from, seen) {
				return true
			}
		}
	}
	return false
}
