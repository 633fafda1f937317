package catalog

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// matching gives the names that patterns select, in the order of names. The
// patterns apply in order, and one that begins with "!" takes out again. "*"
// matches "/" too, so that "*:cuda" finds "team/app:cuda".
func matching(patterns, names []string) []string {
	var out []string
	for _, name := range names {
		in := false
		for _, p := range patterns {
			if rest, out := strings.CutPrefix(p, "!"); out {
				in = in && !matches(rest, name)
			} else {
				in = in || matches(p, name)
			}
		}
		if in {
			out = append(out, name)
		}
	}
	return out
}

func matches(pattern, name string) bool {
	flat := strings.NewReplacer("/", "\x00")
	ok, err := path.Match(flat.Replace(pattern), flat.Replace(name))
	return ok && err == nil
}

// badPattern tells why a pattern is none.
func badPattern(p string) error {
	if _, err := path.Match(strings.TrimPrefix(p, "!"), ""); err != nil {
		return fmt.Errorf("malformed pattern %q", p)
	}
	return nil
}

// isPattern tells a pattern from a name. It is not impact.HasWildcard: a backslash has no
// place in a name, so that one that has it is a pattern too.
func isPattern(s string) bool { return strings.ContainsAny(s, `*?[\`) }

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
