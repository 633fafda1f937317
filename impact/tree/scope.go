package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/moby/patternmatcher"
)

// scope is a build context after its ignore file: the folder of a source that
// BuildKit is sent.
type scope struct {
	src    source
	dir    string // where it lies in the tree, links resolved
	filter *filter

	// module is set when dir is a submodule, or lies in one: there is nothing that
	// a commit could say about it but the submodule's own commit.
	module *entry

	mu   sync.Mutex // guards the nodes and the filter
	root *node      // nil when there is no such folder
}

// node is an entry within a scope.
type node struct {
	entry    *entry // nil for the root
	excluded bool
	info     patternmatcher.MatchInfo // of a folder: which patterns matched

	listed bool
	kids   []*node // by name; some may not be there

	judged bool // there is known
	there  bool

	summed bool // sum is known
	sum    sum  // of the record
}

func (n *node) isDir() bool  { return n.entry == nil || n.entry.isDir() }
func (n *node) isLink() bool { return n.entry != nil && n.entry.kind == fs.ModeSymlink }

// newScope takes dir as it is: a folder of the source, or nothing if it is "".
func newScope(src source, dir string, patterns []string) (*scope, error) {
	f, err := newFilter(patterns)
	if err != nil {
		return nil, err
	}
	s := &scope{src: src, dir: dir, filter: f}
	if dir != "" {
		s.root = &node{judged: true, there: true}
	}
	return s, nil
}

// within is an entry's path within the context, without a leading slash.
func (s *scope) within(e *entry) string {
	switch {
	case s.dir == ".":
		return e.path
	case strings.HasSuffix(s.dir, "/"):
		return e.path[len(s.dir):]
	}
	return e.path[len(s.dir)+1:]
}

// children lists a folder. Whether an excluded or empty subfolder is there is not
// decided yet, because that may need a look into all of it.
func (s *scope) children(ctx context.Context, n *node) ([]*node, error) {
	if n.listed || !n.isDir() {
		return n.kids, nil
	}
	dir := s.dir
	if n.entry != nil {
		dir = n.entry.path
	}
	entries, err := s.src.list(ctx, dir)
	if missing(err) || n.excluded && errors.Is(err, fs.ErrPermission) {
		// It vanished; or it is excluded and can't be read, which the file sync
		// minds as little.
		entries, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	kids := make([]*node, 0, len(entries))
	block := make([]node, len(entries))
	for i, e := range entries {
		k := &block[i]
		k.entry = e
		if s.filter != nil {
			p := s.within(e)
			var info patternmatcher.MatchInfo
			if k.excluded, info, err = s.filter.excludes(p, n.info); err != nil {
				return nil, err
			}
			switch {
			case e.isDir(), e.own:
				k.info = info
				if k.excluded && !s.filter.mayExcept(p) {
					continue
				}
			case k.excluded:
				continue
			}
		}
		kids = append(kids, k)
	}
	n.kids, n.listed = kids, true
	return kids, nil
}

// isThere tells whether BuildKit would be sent the node. An excluded folder is
// sent with the first thing in it that is not excluded.
func (s *scope) isThere(ctx context.Context, n *node) (bool, error) {
	if n.judged {
		return n.there, nil
	}
	there := false
	switch {
	case n.excluded && n.entry.own:
		for _, p := range ownFiles(s.src) {
			hidden, err := s.filter.matcher.MatchesOrParentMatches(p)
			if err != nil {
				return false, fmt.Errorf("ignore pattern: %w", err)
			}
			there = there || !hidden
		}
	case !n.excluded:
		hollow, err := s.src.hollow(ctx, n.entry)
		if err != nil {
			return false, err
		}
		there = !hollow
	default:
		kids, err := s.children(ctx, n)
		if err != nil {
			return false, err
		}
		for _, k := range kids {
			if there, err = s.isThere(ctx, k); err != nil {
				return false, err
			}
			if there {
				break
			}
		}
	}
	n.judged, n.there = true, there
	return there, nil
}

// each visits the children that are there, but for .git where that is found by its name
// alone.
func (s *scope) each(ctx context.Context, n *node, visit func(*node) error) error {
	kids, err := s.children(ctx, n)
	if err != nil {
		return err
	}
	for _, k := range kids {
		if k.entry.own {
			continue
		}
		there, err := s.isThere(ctx, k)
		if err != nil {
			return err
		}
		if there {
			if err := visit(k); err != nil {
				return err
			}
		}
	}
	return nil
}

// at gives the node of a path without following links; nil if it isn't there.
// Should the path lead into a submodule, that is the entry it gives.
func (s *scope) at(ctx context.Context, p string) (*node, *entry, error) {
	n := s.root
	if n == nil {
		return nil, s.module, nil
	}
	for name := range strings.SplitSeq(strings.TrimPrefix(path.Clean("/"+p), "/"), "/") {
		if name == "" {
			break
		}
		if n.entry != nil && n.entry.git {
			return nil, n.entry, nil
		}
		kids, err := s.children(ctx, n)
		if err != nil {
			return nil, nil, err
		}
		i, ok := slices.BinarySearchFunc(kids, name, func(k *node, name string) int { return strings.Compare(k.entry.name(), name) })
		if !ok {
			return nil, nil, nil
		}
		n = kids[i]
	}
	there, err := s.isThere(ctx, n)
	if err != nil || !there {
		return nil, nil, err
	}
	return n, nil, nil
}
