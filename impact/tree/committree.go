package tree

import (
	"context"
	"io/fs"

	"github.com/tonistiigi/fsutil"

	"rebuild/impact"
)

// CommitTree is the tree of a commit.
type CommitTree struct {
	reader
	side impact.Side

	// files are as a clean checkout has them, whatever the view: it is them that a
	// build is sent.
	files *commitSource
}

func newCommitTree(r *Repository, s impact.Side, view View) *CommitTree {
	t := &CommitTree{side: s}
	src := newCommitSource(r, s.Commit, view)
	t.files = src
	if view != Bytes {
		t.files = newCommitSource(r, s.Commit, Bytes)
	}
	t.reader = reader{
		src:     src,
		outside: &disk{format: r.format, cache: &statCache{}},
		content: src.contents,
	}
	return t
}

// Side implements Tree.
func (t *CommitTree) Side() impact.Side { return t.side }

// ReadDir implements Tree.
func (t *CommitTree) ReadDir(ctx context.Context, dir string) ([]fs.DirEntry, error) {
	if isAbs(clean(dir)) {
		t.outside.looked.in(dir)
		return readDirOutside(dir)
	}
	return t.readDir(ctx, t.src, dir)
}

// Context implements Tree.
func (t *CommitTree) Context(ctx context.Context, dir string) (fsutil.FS, error) {
	at := clean(dir)
	if isAbs(at) {
		return diskContext(at, "")
	}
	if at != "." {
		e, err := t.named(ctx, at)
		if err != nil {
			return nil, err
		}
		if e == nil || e.kind != fs.ModeDir {
			return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
		}
		at = e.path
	}
	return &commitContext{ctx: ctx, files: t.files, dir: at}, nil
}
