package tree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"

	"rebuild/impact"
)

// cover is what a selection's digest is made of. The rules are those of BuildKit's
// cache/contenthash/checksum.go, with their oddities: names that look like its
// names are counterparts.
type cover struct {
	parts []*part

	// alone is set when the digest is that of the one part, without its path.
	alone  bool
	prefix string // cut from the parts' paths

	links []*entry // symlinks that were followed

	// behind is set when wildcards are sought in a folder that a symlink leads to.
	// BuildKit before 0.9 (engine 20.10) looks for matches without following it and
	// finds none, so that a folder in the place of an equal link is a change to it.
	behind bool

	// matches are the paths of symlinks that wildcards matched. The copy follows
	// each of them, even if a pattern leaves it out of the digest.
	matches []string
}

// part is one path that a selection includes.
type part struct {
	path string // as the instruction reaches it: links on the way to it are not resolved
	node *node
	deep bool // with all that is in the folder; else the folder itself alone

	follows  bool // a symlink here is followed
	included bool
	include  patternmatcher.MatchInfo
	exclude  patternmatcher.MatchInfo
}

// absentError says that an instruction fails because nothing is there.
type absentError struct {
	path   string   // as the instruction writes it
	seeks  []string // paths in the context of which one must be there
	follow bool     // whether it would follow a link there
	module *entry
}

func (e *absentError) Error() string { return e.path + ": not found" }

// cover finds what a selection includes (Checksum). The error is an *absentError
// when the instruction would fail.
func (s *scope) cover(ctx context.Context, sel impact.Selection) (*cover, error) {
	p := path.Join("/", sel.Path)
	if !sel.Wildcard && len(sel.Include) == 0 && len(sel.Exclude) == 0 {
		f, err := s.mustResolve(ctx, sel.Path, p, sel.Follow)
		if err != nil {
			return nil, err
		}
		return &cover{parts: []*part{{path: p, node: f.node, deep: true}}, alone: true, links: f.links}, nil
	}

	// What the copy itself needs to find, before any digest (fsutil's copy).
	must := p
	if sel.Wildcard {
		must, _ = impact.SplitWildcards(p)
	}
	if _, err := s.mustResolve(ctx, sel.Path, must, sel.Follow); err != nil {
		return nil, err
	}

	c, err := s.includedPaths(ctx, sel, p)
	if err != nil {
		return nil, err
	}
	for _, required := range sel.Required {
		if !slices.ContainsFunc(c.parts, func(w *part) bool { return strings.HasPrefix(w.path, required) }) {
			absent := &absentError{path: required, seeks: []string{required}}
			for _, w := range c.parts {
				if m := moduleOf(w.node); m != nil && within(required, w.path) {
					absent.module = m
				}
			}
			return nil, absent
		}
	}
	for _, p := range c.matches {
		if _, err := s.mustResolve(ctx, p, p, sel.Follow); err != nil {
			return nil, err
		}
	}
	for _, w := range c.parts {
		if w.follows && w.node.isLink() {
			f, err := s.mustResolve(ctx, w.path, w.path, true)
			if err != nil {
				return nil, err
			}
			w.node, w.deep = f.node, true
			c.links = append(c.links, f.links...)
		}
	}
	c.alone = len(c.parts) == 1 && path.Base(p) == path.Base(c.parts[0].path)
	return c, nil
}

// mustResolve is resolve for a path that has to exist.
func (s *scope) mustResolve(ctx context.Context, written, p string, follow bool) (found, error) {
	f, err := s.resolve(ctx, p, follow)
	switch {
	case errors.Is(err, errManyLinks), err == nil && f.node == nil:
		return found{}, &absentError{path: written, seeks: []string{p}, follow: follow, module: f.module}
	case err != nil:
		return found{}, err
	}
	return f, nil
}

// walker is the state of includedPaths.
type walker struct {
	scope    *scope
	cover    *cover
	pattern  string // "" is the root
	wildcard bool
	follow   bool
	deepest  int // parts of the longest path that the wildcards match; -1: unknown
	include  *patternmatcher.PatternMatcher
	exclude  *patternmatcher.PatternMatcher
	starts   []string // what include patterns match lies at, above or below one of these
	matched  string   // the path that the wildcards matched last
}

func (s *scope) includedPaths(ctx context.Context, sel impact.Selection, p string) (*cover, error) {
	w := &walker{scope: s, cover: &cover{}, pattern: p, wildcard: sel.Wildcard, follow: sel.Follow}
	if p == "/" {
		w.pattern = ""
	}
	var err error
	if len(sel.Include) > 0 {
		if w.include, err = patternmatcher.New(sel.Include); err != nil {
			return nil, fmt.Errorf("invalid include patterns %q: %w", sel.Include, err)
		}
		w.starts = fixedStarts(w.include)
	}
	if len(sel.Exclude) > 0 {
		if w.exclude, err = patternmatcher.New(sel.Exclude); err != nil {
			return nil, fmt.Errorf("invalid exclude patterns %q: %w", sel.Exclude, err)
		}
	}

	// The walk starts where the pattern's fixed part leads, links resolved, but
	// paths keep the names that the instruction uses.
	start, follow := w.pattern, false
	if sel.Wildcard {
		if _, err := path.Match(w.pattern, ""); err != nil {
			return nil, fmt.Errorf("%s: %w", sel.Path, err)
		}
		fixed, rest := impact.SplitWildcards(w.pattern)
		start, follow = strings.TrimSuffix(fixed, "/"), rest != ""
		w.deepest = depthOf(w.pattern)
	}
	f, err := s.resolve(ctx, start, follow)
	if errors.Is(err, errManyLinks) {
		return nil, &absentError{path: sel.Path, seeks: []string{start}, follow: follow}
	}
	if err != nil {
		return nil, err
	}
	w.cover.prefix, w.cover.links = start, f.links
	w.cover.behind = follow && len(f.links) > 0
	if m := cmp.Or(f.module, moduleOf(f.node)); m != nil && start != w.pattern {
		// What matches in a submodule, or in .git, no commit can tell.
		return nil, &absentError{path: sel.Path, seeks: []string{start}, follow: follow, module: m}
	}
	if f.node == nil {
		return w.cover, nil
	}
	return w.cover, w.visit(ctx, f.node, start, nil)
}

// visit takes one node and what is below it. parents are the folders above it that
// the selection reached.
func (w *walker) visit(ctx context.Context, n *node, fn string, parents []*part) error {
	if n.entry == nil && fn == w.pattern {
		// The header of the context itself is left out (endsInSep).
		return w.visitKids(ctx, n, fn, parents)
	}
	below := w.pattern
	if w.wildcard {
		if w.matched == "" || !strings.HasPrefix(fn, w.matched+"/") {
			match, err := path.Match(w.pattern, fn)
			if err != nil {
				return err
			}
			if !match {
				if w.deepest >= 0 && strings.Count(fn, "/") >= w.deepest || !w.mayMatchBelow(fn) {
					return nil
				}
				return w.visitKids(ctx, n, fn, parents)
			}
			if w.matched = fn; n.isLink() {
				w.cover.matches = append(w.cover.matches, fn)
			}
		}
		below = w.matched
	}
	it := &part{path: fn, node: n, follows: len(parents) == 0 && w.follow}
	candidate := strings.TrimSuffix(strings.TrimPrefix(fn+"/", below+"/"), "/")
	should, prune, err := w.shouldInclude(candidate, it, parents)
	if err != nil {
		return err
	}
	if moduleOf(n) != nil && w.include != nil && !prune {
		should = true // something in it may be included
	}
	if should {
		for _, parent := range parents {
			if !parent.included {
				w.cover.parts = append(w.cover.parts, parent)
				parent.included = true
			}
		}
		w.cover.parts = append(w.cover.parts, it)
		it.included = true
	}
	if !n.isDir() || prune {
		return nil
	}
	return w.visitKids(ctx, n, fn, append(slices.Clip(parents), it))
}

func (w *walker) visitKids(ctx context.Context, n *node, fn string, parents []*part) error {
	if n.entry == nil {
		if err := w.visitOwnGit(ctx, fn, parents); err != nil {
			return err
		}
	}
	return w.scope.each(ctx, n, func(k *node) error {
		return w.visit(ctx, k, fn+"/"+k.entry.name(), parents)
	})
}

// visitOwnGit visits .git if patterns name it or what is in it.
func (w *walker) visitOwnGit(ctx context.Context, fn string, parents []*part) error {
	spelt := slices.ContainsFunc(w.starts, func(start string) bool { return within(start, ".git") }) // COPY --parents
	names := spelt
	if !spelt {
		var err error
		if names, err = w.namesOwnGit(); err != nil {
			return err
		}
	}
	if !names {
		return nil
	}
	own, _, err := w.scope.at(ctx, ".git")
	if err != nil || moduleOf(own) == nil {
		return err
	}
	if spelt {
		return w.visit(ctx, own, fn+"/.git", parents)
	}
	w.cover.parts = append(w.cover.parts, &part{path: fn + "/.git", node: own, included: true})
	return nil
}

// shouldInclude is shouldIncludePath; prune is set when nothing below the path can
// be included.
func (w *walker) shouldInclude(candidate string, it *part, parents []*part) (should, prune bool, err error) {
	var above part
	if len(parents) > 0 {
		above = *parents[len(parents)-1]
	}
	if w.include != nil {
		var m bool
		if m, it.include, err = w.include.MatchesUsingParentResults(candidate, above.include); err != nil {
			return false, false, fmt.Errorf("include pattern: %w", err)
		}
		if !m {
			return false, !w.mayIncludeBelow(candidate), nil
		}
	}
	if w.exclude != nil {
		var m bool
		if m, it.exclude, err = w.exclude.MatchesUsingParentResults(candidate, above.exclude); err != nil {
			return false, false, fmt.Errorf("exclude pattern: %w", err)
		}
		if m {
			return false, !w.exclude.Exclusions(), nil
		}
	}
	return true, false, nil
}

// patternSpecial is what has a meaning in the patterns of moby/patternmatcher, which makes
// regular expressions of them: more than in a path with wildcards.
const patternSpecial = `*?[]^\`

// fixedStarts gives the parts before the first wildcard of each pattern; none when
// a pattern takes matches back.
func fixedStarts(m *patternmatcher.PatternMatcher) []string {
	var starts []string
	for _, p := range m.Patterns() {
		if p.Exclusion() {
			return nil
		}
		var fixed []string
		for part := range strings.SplitSeq(p.String(), sep) {
			if strings.ContainsAny(part, patternSpecial) {
				break
			}
			fixed = append(fixed, part)
		}
		starts = append(starts, strings.Join(fixed, "/"))
	}
	return starts
}

func (w *walker) mayIncludeBelow(dir string) bool {
	if w.starts == nil || dir == "" {
		return true
	}
	return slices.ContainsFunc(w.starts, func(start string) bool {
		return start == "" || start == "." || within(start, dir) || within(dir, start)
	})
}

// within tells whether a path is dir or lies below it.
func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// mayMatchBelow tells whether the wildcards can match something below a folder:
// each part of its path must match its part of the pattern.
func (w *walker) mayMatchBelow(fn string) bool {
	if w.deepest < 0 {
		return true
	}
	patterns, names := strings.Split(w.pattern, "/"), strings.Split(fn, "/")
	for i, name := range names {
		if match, err := path.Match(patterns[i], name); err == nil && !match {
			return false
		}
	}
	return true
}

// depthOf is the number of slashes in each path that a pattern matches, or -1 if
// one of its classes matches a slash (path.Match allows that).
func depthOf(pattern string) int {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '[':
			j := i + 1
			for j < len(pattern) && pattern[j] != ']' {
				if pattern[j] == '\\' {
					j++
				}
				j++
			}
			class := pattern[i:min(j+1, len(pattern))]
			if match, err := path.Match(class, "/"); match || err != nil || strings.Contains(class, "/") {
				return -1
			}
			i = j
		}
	}
	return strings.Count(pattern, "/")
}
