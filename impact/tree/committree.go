package tree

import (
	"context"
	"io/fs"
	"slices"

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
		stands:  r.Root,
		src:     src,
		outside: &disk{format: r.format, cache: &statCache{}},
		content: src.text,
	}
	return t
}

// Side implements Tree.
func (t *CommitTree) Side() impact.Side { return t.side }

// ReadDir implements Tree.
func (t *CommitTree) ReadDir(ctx context.Context, dir string) ([]fs.DirEntry, error) {
	if isAbs(clean(dir)) {
		t.outside.read.add(dir)
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

// Reads lists what was asked for. What a build context of the tree sent is not among
// it. ok is false when something else than the commit's objects had a part in the
// answers: files outside of the repository, .git, or the conversion of a definition.
func (t *CommitTree) Reads() (r CommitReads, ok bool) {
	src := t.src.(*commitSource)
	read, converted := src.read.all()
	ok = !converted && len(t.outside.read.all()) == 0
	for dir, entries := range src.folders.all() {
		r.Folders = append(r.Folders, dir)
		var files []string
		others := 0
		for _, e := range entries {
			switch {
			case e.own && e.isFilled():
				ok = false // another commit has another .git, with the same tree
			case e.isDir(), e.own:
			case read[e.path] || e.isFilled():
				files = append(files, e.path)
			default:
				others++
			}
		}
		if others == 0 && len(files) > 1 {
			r.Whole = append(r.Whole, dir)
		} else {
			r.Files = append(r.Files, files...)
		}
	}
	slices.Sort(r.Folders)
	slices.Sort(r.Whole)
	slices.Sort(r.Files)
	return r, ok
}
