package tree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/moby/patternmatcher"

	"rebuild/impact"
)

// ownGit is .git in the tree of a commit, and in git's view of the working tree. No commit
// holds it, and every commit changes it; so there it stands for the commit's id, and only
// what names it reads it: it is no change that a copy of a whole folder takes it along.
func ownGit(commit string) *entry {
	return &entry{path: ".git", kind: fs.ModeDir, git: true, own: true, id: commit, mode: modeDir}
}

// fillOwnGit gives .git of a working tree the id of the commit that is checked out.
func (g *gitDisk) fillOwnGit(ctx context.Context, e *entry) error {
	head, err := g.repo.Resolve(ctx, "HEAD")
	if unborn := (*RevisionError)(nil); errors.As(err, &unborn) {
		head, err = "no commit", nil
	}
	e.digest = impact.Digest(head)
	return err
}

// ownDepth is how deep .git is listed for patterns that may name what is in it.
const ownDepth = 3

// ownFiles lists what .git holds, as slash paths from the root: folders and files that a
// pattern may match. Its objects and what this program keeps are left out.
func ownFiles(src source) []string {
	var repo *Repository
	switch src := src.(type) {
	case *commitSource:
		repo = src.repo
	case *gitDisk:
		repo = src.repo
	default:
		return nil
	}
	var files []string
	state, _ := relative(repo.GitDir, repo.StateDir())
	// What cannot be listed is not there for a build either.
	_ = fs.WalkDir(os.DirFS(repo.GitDir), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case p == "objects", p == state:
			return fs.SkipDir
		case p != ".":
			files = append(files, ".git/"+p)
		}
		if d.IsDir() && strings.Count(p, "/") >= ownDepth-1 {
			return fs.SkipDir
		}
		return nil
	})
	return files
}

// namesOwnGit tells whether wildcards or include patterns that do not spell .git out match
// something in it.
func (w *walker) namesOwnGit() (bool, error) {
	if w.scope.dir != "." {
		return false, nil
	}
	switch {
	case w.wildcard:
		first, _, deeper := strings.Cut(strings.TrimPrefix(w.pattern, "/"), "/")
		if match, err := path.Match(first, ".git"); err != nil || !match || !deeper {
			return false, err
		}
	case w.include == nil:
		return false, nil
	default: // what matches .git itself takes it along with the rest
		if match, err := w.include.MatchesOrParentMatches(".git"); err != nil || match {
			return false, err
		}
	}
	for _, p := range ownFiles(w.scope.src) {
		if w.wildcard {
			if match, err := path.Match(w.pattern, "/"+p); err != nil || match {
				return match, err
			}
			continue
		}
		in, err := w.include.MatchesOrParentMatches(p)
		if err == nil && in && w.exclude != nil {
			var out bool
			out, err = w.exclude.MatchesOrParentMatches(p)
			in = !out
		}
		if err != nil || in {
			return in, err
		}
	}
	return false, nil
}

// noteGit notes what a selection takes of git's own: .git with all the rest, and
// submodules, of which a commit has the name alone.
func (s *scope) noteGit(ctx context.Context, sel impact.Selection, entries []*entry, reading *impact.Reading) error {
	_, isCommit := s.src.(*commitSource)
	for _, e := range entries {
		switch {
		case !isCommit || !e.git:
		case e.own:
			reading.Missing, reading.NoGit = sel.Path, true
		default:
			reading.Empty = append(reading.Empty, e.path)
		}
	}
	if isCommit {
		return nil // its .git goes with nothing
	}
	var err error
	reading.TakesGit, err = s.takesGit(ctx, sel)
	return err
}

// takesGit tells whether a selection takes .git along without naming it.
func (s *scope) takesGit(ctx context.Context, sel impact.Selection) (bool, error) {
	p := path.Join("/", sel.Path)
	if s.dir != "." || s.root == nil || p != "/" && (!sel.Wildcard || strings.Count(p, "/") != 1) {
		return false, nil
	}
	if p != "/" {
		if match, err := path.Match(p, "/.git"); err != nil || !match {
			return false, err
		}
	}
	for _, patterns := range []struct {
		list    []string
		without bool
	}{{sel.Include, false}, {sel.Exclude, true}} {
		if len(patterns.list) == 0 {
			continue
		}
		m, err := patternmatcher.New(patterns.list)
		if err != nil {
			return false, err
		}
		if match, err := m.MatchesOrParentMatches(".git"); err != nil || match == patterns.without {
			return false, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, module, err := s.at(ctx, ".git")
	return n != nil || module != nil, err
}
