package tree

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
)

// filter is an ignore file at work: what fsutil's NewFilterFS leaves of a build
// context when these are its ExcludePatterns. It is not safe for concurrent use,
// because its matcher compiles patterns as it goes.
type filter struct {
	matcher *patternmatcher.PatternMatcher

	// plain holds the exceptions when none has wildcards but at its end; then a
	// folder above none of them can be skipped. anywhere is set otherwise.
	plain    []string
	anywhere bool
}

// newFilter gives nil for no patterns.
func newFilter(patterns []string) (*filter, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, err
	}
	special := "*[]?^"
	if filepath.Separator != '\\' {
		special += `\`
	}
	f := &filter{matcher: m}
	for _, p := range m.Patterns() {
		if !p.Exclusion() {
			continue
		}
		text := strings.TrimSuffix(p.String(), sep+"**")
		text = strings.TrimSuffix(text, sep+"*")
		f.plain = append(f.plain, text+sep)
		f.anywhere = f.anywhere || strings.ContainsAny(text, special)
	}
	return f, nil
}

const sep = string(os.PathSeparator)

// excludes matches a slash path within the context, given what matched its parent.
func (f *filter) excludes(path string, parent patternmatcher.MatchInfo) (bool, patternmatcher.MatchInfo, error) {
	m, info, err := f.matcher.MatchesUsingParentResults(path, parent)
	if err != nil {
		return false, info, fmt.Errorf("ignore pattern: %w", err)
	}
	return m, info, nil
}

// mayExcept tells whether an exception could match something in an excluded
// folder. It is the rule of fsutil's filter.go.
func (f *filter) mayExcept(dir string) bool {
	if f.anywhere {
		return true
	}
	dir = filepath.FromSlash(dir) + sep
	for _, text := range f.plain {
		if strings.HasPrefix(text, dir) {
			return true
		}
	}
	return false
}
