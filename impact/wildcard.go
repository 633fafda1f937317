package impact

import (
	"path"
	"strings"
)

// HasWildcard tells whether a path, or a part of one, has what BuildKit takes for
// wildcards: path.Match's, where a backslash takes the meaning from what follows
// (containsWildcards of solver/llbsolver/ops/file.go, and of cache/contenthash).
func HasWildcard(name string) bool {
	for i := 0; i < len(name); i++ {
		switch name[i] {
		case '\\':
			i++
		case '*', '?', '[':
			return true
		}
	}
	return false
}

// SplitWildcards splits a path before its first part with a wildcard
// (splitWildcards of cache/contenthash). Either may be "".
func SplitWildcards(p string) (fixed, rest string) {
	var before, after []string
	for part := range strings.SplitSeq(path.Join(p), "/") {
		if part == "" {
			part = "/"
		}
		if len(after) > 0 || HasWildcard(part) {
			after = append(after, part)
		} else {
			before = append(before, part)
		}
	}
	return path.Join(before...), path.Join(after...)
}
