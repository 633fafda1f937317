package catalog

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"rebuild/impact"
)

// given collects the values that a catalog is made of and that do not stand in the
// repository (impact.Value). Nil collects nothing.
type given struct{ values []impact.Value }

func (g *given) note(name, text string) {
	if g != nil {
		g.values = append(g.values, impact.Value{Name: name, Text: text})
	}
}

// all are what was noted.
func (g *given) all() []impact.Value {
	if g == nil {
		return nil
	}
	return g.values
}

// secret notes one that is a secret whatever its name is.
func (g *given) secret(name, text string) {
	if g != nil {
		g.values = append(g.values, impact.Value{Name: name, Text: text, Secret: true})
	}
}

// variable notes that of a bake file, which may be a list: in JSON, or between commas
// (buildx bake/hclparser).
func (g *given) variable(name, text string) {
	g.note(name, text)
	for part := range strings.SplitSeq(text, ",") {
		g.note(name, part)
	}
	var v any
	if json.Unmarshal([]byte(text), &v) == nil {
		g.strings(name, v)
	}
}

func (g *given) strings(name string, v any) {
	switch v := v.(type) {
	case string:
		g.note(name, v)
	case []any:
		for _, e := range v {
			g.strings(name, e)
		}
	case map[string]any:
		for _, e := range v {
			g.strings(name, e)
		}
	}
}

// options notes what the command line gives.
func (g *given) options(opt Options) {
	for _, m := range []map[string]string{opt.BuildArgs, opt.Vars} {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			g.variable(name, m[name])
		}
	}
	for _, s := range opt.Set {
		key, value, _ := strings.Cut(s, "=")
		if parts := strings.Split(key, "."); len(parts) < 2 || !slices.Contains(namingKeys, parts[1]) {
			g.note(parts[len(parts)-1], value)
		}
	}
}

// namingKeys are those of --set whose values name or choose something. All others, also those
// that bake does not know, may be given what nobody else should see.
var namingKeys = []string{
	"tags", "platform", "target", "dockerfile", "context", "contexts", "output", "no-cache", "no-cache-filter",
	"pull", "push", "load", "entitlements", "network", "inherits", "shm-size", "ulimits", "extra-hosts",
}

// withheld is a catalog, or why there is none, whose words for people are without values.
func (o Options) withheld(cat impact.Catalog, err error) (impact.Catalog, error) {
	v := impact.NewValues(slices.Concat(cat.Values.All(), o.given.all()), o.ShowValues)
	cat.Values = v
	cat.Warnings = v.WithheldAll(cat.Warnings)
	cat.Images = slices.Clone(cat.Images) // those of a memo are shared
	for i := range cat.Images {
		cat.Images[i].Fault = v.WithheldFault(cat.Images[i].Fault)
	}
	if cat.BadGroups != nil {
		cat.BadGroups = maps.Clone(cat.BadGroups)
		for name, f := range cat.BadGroups {
			cat.BadGroups[name] = v.WithheldFault(f)
		}
	}
	return cat, withheldError(v, err)
}

func withheldError(v impact.Values, err error) error {
	if err == nil || v.Withheld(err.Error()) == err.Error() {
		return err
	}
	out := &unspoken{text: v.Withheld(err.Error()), of: err}
	var f *impact.Fault
	if errors.As(err, &f) {
		whole := f.Error() == err.Error()
		if out.fault = v.WithheldFault(f); whole {
			out.text = out.fault.Error() // the place of a fault is no value
		}
	}
	return out
}

// unspoken is an error in other words.
type unspoken struct {
	text  string
	fault *impact.Fault // that it is, in those words; nil: none
	of    error
}

func (e *unspoken) Error() string { return e.text }

// Is tells what it is otherwise.
func (e *unspoken) Is(target error) bool { return errors.Is(e.of, target) }

// As gives the fault in other words, and what else it is.
func (e *unspoken) As(target any) bool {
	if f, ok := target.(**impact.Fault); ok {
		*f = e.fault
		return e.fault != nil
	}
	return errors.As(e.of, target)
}
