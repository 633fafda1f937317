package session

import (
	"context"
	"slices"
	"sync"

	"rebuild/impact"
	"rebuild/impact/tree"
)

// reads is where a session looked for what its plans are made of.
type reads struct {
	mu      sync.Mutex
	trees   []*tree.Worktree   // guarded by mu: those that were opened
	outside bool               // guarded by mu: a definition was sought outside of the tree
	commits []*tree.CommitTree // guarded by mu: those that the last plan compared
}

// FoldersRead lists the folders in which the working tree was looked at so far, sorted.
func (s *Session) FoldersRead() []string {
	s.reads.mu.Lock()
	defer s.reads.mu.Unlock()
	var dirs []string
	for _, t := range s.reads.trees {
		dirs = append(dirs, t.FoldersRead()...)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// worktree is the tree of the working tree.
func (s *Session) worktree(ctx context.Context, view tree.View) (*tree.Worktree, error) {
	var (
		t   *tree.Worktree
		err error
	)
	if s.Repo == nil {
		t, err = tree.Folder(s.Root, tree.Options{CacheDir: s.State})
	} else {
		t, err = s.Repo.Worktree(ctx, tree.Options{View: view, CacheDir: s.State, Index: s.caches.index})
	}
	if err == nil {
		s.reads.mu.Lock()
		defer s.reads.mu.Unlock()
		s.reads.trees = append(s.reads.trees, t)
	}
	return t, err
}

// commit is the tree of a commit, for a plan to compare.
func (s *Session) commit(ctx context.Context, rev string, view tree.View) (*tree.CommitTree, error) {
	t, err := s.Repo.Commit(ctx, rev, view)
	if err == nil {
		s.reads.mu.Lock()
		defer s.reads.mu.Unlock()
		s.reads.commits = append(s.reads.commits, t)
	}
	return t, err
}

// needGit refuses a query about commits where there are none.
func (s *Session) needGit(q Query) error {
	if s.Repo != nil || q.Since == "" && q.At == "" {
		return nil
	}
	return &impact.Fault{Cause: s.Root + ": not a git repository, so there is no commit to compare with", Hint: "git init"}
}

// forgetCommits begins the reads of another plan.
func (s *Session) forgetCommits() {
	s.reads.mu.Lock()
	defer s.reads.mu.Unlock()
	s.reads.commits = nil
}

// noteOutside notes that a definition was sought outside of the tree.
func (s *Session) noteOutside() {
	s.reads.mu.Lock()
	defer s.reads.mu.Unlock()
	s.reads.outside = true
}

// target opens the tree that a query is about, and gives what keeps its stat cache.
func (s *Session) target(ctx context.Context, q Query, view tree.View) (t tree.Tree, save func() error, err error) {
	if q.At != "" {
		t, err = s.commit(ctx, q.At, view)
		return t, func() error { return nil }, err
	}
	wt, err := s.worktree(ctx, view)
	if err != nil {
		return nil, nil, err
	}
	return wt, wt.Save, nil
}
