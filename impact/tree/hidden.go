package tree

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"rebuild/impact"
)

// hiddenBy finds the line of the ignore file that hides what an instruction seeks;
// 0 when nothing is hidden there.
func (r *reader) hiddenBy(ctx context.Context, sel impact.Selection, src source, dir string, absent *absentError) (int, error) {
	if len(sel.Ignore.Patterns) == 0 {
		return 0, nil
	}
	bare, err := r.scope(ctx, src, dir, nil)
	if err != nil {
		return 0, err
	}
	bare.mu.Lock()
	paths, err := bare.seek(ctx, sel, absent)
	bare.mu.Unlock()
	if err != nil {
		return 0, err
	}
	for _, p := range paths {
		if i := lastExcluding(sel.Ignore.Patterns, p); i >= 0 {
			return r.ignoreLine(ctx, sel.Ignore, i), nil
		}
	}
	return 0, nil
}

// seek gives what an instruction would find without an ignore file: the links on
// the way, and what they lead to.
func (s *scope) seek(ctx context.Context, sel impact.Selection, absent *absentError) ([]string, error) {
	bare := sel
	bare.Required = nil
	c, err := s.cover(ctx, bare)
	if also := (*absentError)(nil); errors.As(err, &also) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, p := range absent.seeks {
		f, err := s.resolve(ctx, p, absent.follow || sel.Follow)
		if errors.Is(err, errManyLinks) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, l := range f.links {
			paths = append(paths, s.within(l))
		}
		if f.node != nil && f.node.entry != nil {
			paths = append(paths, s.within(f.node.entry))
		}
		for _, w := range c.parts {
			if strings.HasPrefix(w.path, p) && w.node.entry != nil {
				paths = append(paths, s.within(w.node.entry))
			}
		}
	}
	return paths, nil
}

// lastExcluding gives the index of the last pattern that excludes a path, or -1 if
// it is not excluded.
func lastExcluding(patterns []string, p string) int {
	excluded := func(n int) bool {
		m, err := patternmatcher.New(patterns[:n])
		if err != nil {
			return false
		}
		// Patterns are applied to each folder first, as the file sync does.
		var match bool
		var info patternmatcher.MatchInfo
		for i := 0; i <= len(p); i++ {
			if i < len(p) && p[i] != '/' {
				continue
			}
			if match, info, err = m.MatchesUsingParentResults(p[:i], info); err != nil {
				return false
			}
		}
		return match
	}
	if !excluded(len(patterns)) {
		return -1
	}
	for n := len(patterns); n > 0; n-- {
		if !excluded(n - 1) {
			return n - 1
		}
	}
	return -1
}

// ignoreLine gives the line of the ignore file that holds the pattern of that
// index. An ignore file that can't be read again is counted as if it held
// patterns only.
func (r *reader) ignoreLine(ctx context.Context, ig impact.Ignore, i int) int {
	text, err := r.readFile(ctx, ig.File)
	if err != nil {
		return i + 1
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	count, at := 0, 0
	for lines.Scan() {
		at++
		// A line alone is read as it is read in the file, but for the mark at the
		// start of the first one.
		var one io.Reader = bytes.NewReader(lines.Bytes())
		patterns, err := ignorefile.ReadAll(one)
		if err != nil || len(patterns) == 0 {
			continue
		}
		if count == i {
			return at
		}
		count++
	}
	return i + 1
}
