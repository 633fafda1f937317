package tree

import (
	"errors"
	"path/filepath"
	"testing"
)

func TestMergeBase(t *testing.T) {
	r := newRepo(t)
	root := r.commit("root")
	fork := r.commit("fork")
	r.git("checkout", "-q", "-b", "side")
	side := r.commit("side")
	r.git("checkout", "-q", "main")
	main := r.commit("main")
	r.git("checkout", "-q", "--orphan", "other")
	r.commit("unrelated")
	repo := r.open()
	for _, c := range []struct{ a, b, want string }{
		{"main", "side", fork}, {"side", "main", fork}, {"main", main, main}, {root, "main", root}, {"main", root, root}, {side, fork, fork},
	} {
		got, err := repo.MergeBase(t.Context(), c.a, c.b)
		if err != nil || got != c.want {
			t.Errorf("%s %s: %s %v", c.a, c.b, got, err)
		}
	}
	unrelated := (*UnrelatedError)(nil)
	if _, err := repo.MergeBase(t.Context(), "main", "other"); !errors.As(err, &unrelated) {
		t.Errorf("unrelated: %v", err)
	}
	if _, err := repo.MergeBase(t.Context(), "main", "nowhere"); !isRevisionError(err) {
		t.Errorf("no such revision: %v", err)
	}
}

func TestMergeBaseOfShallowClone(t *testing.T) {
	r := newRepo(t)
	r.commit("root")
	r.commit("fork")
	r.git("checkout", "-q", "-b", "side")
	r.commit("side 1")
	r.commit("side 2")
	r.git("checkout", "-q", "main")
	r.commit("main 1")
	r.commit("main 2")
	clone := repo{t, filepath.Join(realPath(t, t.TempDir()), "clone")}
	r.git("clone", "-q", "--depth=2", "--no-single-branch", "file://"+r.dir, clone.dir)
	shallow := (*ShallowError)(nil)
	_, err := clone.open().MergeBase(t.Context(), "main", "origin/side")
	if !errors.As(err, &shallow) || shallow.Command != "git fetch --unshallow" {
		t.Fatalf("shallow: %v", err)
	}
	// An ancestor is no guess.
	if got, err := clone.open().MergeBase(t.Context(), "main~1", "main"); err != nil || got != clone.git("rev-parse", "main~1") {
		t.Errorf("ancestor: %s %v", got, err)
	}
	clone.git("fetch", "-q", "--unshallow")
	if got, err := clone.open().MergeBase(t.Context(), "main", "origin/side"); err != nil || got != r.git("rev-parse", "side~2") {
		t.Errorf("after the command: %s %v", got, err)
	}
}

// TestMergeBaseBehindShallowCommit has a better merge base where the history was
// cut: git alone would answer with a wrong one.
func TestMergeBaseBehindShallowCommit(t *testing.T) {
	r := newRepo(t)
	old := r.commit("old")
	r.git("checkout", "-q", "-b", "long")
	for range 3 {
		r.commit("long")
	}
	better := r.commit("better")
	r.git("checkout", "-q", "-b", "b")
	for range 3 {
		r.commit("b")
	}
	r.git("merge", "-q", "--no-ff", "-m", "m", "-s", "ours", old)
	r.git("checkout", "-q", "-b", "a", old)
	r.git("commit", "-q", "--allow-empty", "-m", "a")
	r.git("merge", "-q", "-m", "merge", "long")
	if got, err := r.open().MergeBase(t.Context(), "a", "b"); err != nil || got != better {
		t.Fatalf("whole: %s %v", got, err)
	}
	// Cut the parents of b's oldest own commit, so that only the way to old is left.
	r.git("checkout", "-q", "b")
	tip := r.git("rev-parse", "b^1")
	r.git("commit", "-q", "--allow-empty", "-m", "tip")
	r.write(map[string]string{".git/shallow": tip + "\n"})
	shallow := (*ShallowError)(nil)
	if got, err := r.open().MergeBase(t.Context(), "a", "b"); !errors.As(err, &shallow) {
		t.Errorf("behind a cut: %s %v", got, err)
	}
}
