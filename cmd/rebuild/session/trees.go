package session

import (
	"context"
	"fmt"
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
	known   map[string]string  // guarded by mu: branches that only a remote has -> how they are known here
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

// NeedWorktree refuses a bare repository.
func (s *Session) NeedWorktree() error {
	if s.Repo == nil || !s.Repo.Bare {
		return nil
	}
	return &impact.Fault{Cause: s.Root + ": a bare repository has no working tree", Hint: "rebuild plan --since REV --at REV"}
}

// worktree is the tree of the working tree.
func (s *Session) worktree(ctx context.Context, view tree.View) (*tree.Worktree, error) {
	if err := s.NeedWorktree(); err != nil {
		return nil, err
	}
	var (
		t   *tree.Worktree
		err error
	)
	if s.Repo == nil {
		t, err = tree.Folder(s.Root, tree.Options{CacheDir: s.State, Large: s.large})
	} else {
		t, err = s.Repo.Worktree(ctx, tree.Options{View: view, CacheDir: s.State, Index: s.caches.index, Large: s.large})
	}
	if err == nil {
		s.reads.mu.Lock()
		defer s.reads.mu.Unlock()
		s.reads.trees = append(s.reads.trees, t)
	}
	return t, err
}

// known gives the revision by which the repository knows what a query calls rev, and says
// so, once, where it is another.
func (s *Session) known(ctx context.Context, rev string) (string, error) {
	name, err := s.Repo.Known(ctx, rev)
	if err != nil || name == rev {
		return name, err
	}
	s.reads.mu.Lock()
	defer s.reads.mu.Unlock()
	if s.reads.known[rev] != name {
		if s.reads.known == nil {
			s.reads.known = map[string]string{}
		}
		s.reads.known[rev] = name
		s.warn(fmt.Sprintf("there is no branch %s here: %s is taken", rev, name))
	}
	return name, nil
}

// MainBranch is the branch that others are made from, by its usual names, "" when there is
// none.
func (s *Session) MainBranch(ctx context.Context) string {
	if s.Repo == nil {
		return ""
	}
	for _, branch := range []string{"main", "master"} {
		if _, err := s.Repo.Known(ctx, branch); err == nil {
			return branch
		}
	}
	return ""
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
		rev, err := s.known(ctx, q.At)
		if err != nil {
			return nil, nil, err
		}
		t, err = s.commit(ctx, rev, view)
		return t, func() error { return nil }, err
	}
	wt, err := s.worktree(ctx, view)
	if err != nil {
		return nil, nil, err
	}
	return wt, wt.Save, nil
}
