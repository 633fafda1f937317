package tree

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// sparseContext is a folder of a sparse checkout as a build context: what is on the disk,
// and what is left out of it.
type sparseContext struct {
	ctx    context.Context // of the build, as in commitContext
	disk   *disk
	folder fsutil.FS // as it is on the disk; nil when it is not there
	dir    string    // where it lies in the tree
}

// sparseContext gives a folder of the tree without the program's own folder in it.
func (w *Worktree) sparseContext(ctx context.Context, at, state string) (fsutil.FS, error) {
	if at != "." {
		e, err := w.named(ctx, at) // links are followed, as on the disk
		if err != nil {
			return nil, err
		}
		if e == nil || e.kind != fs.ModeDir {
			return nil, &fs.PathError{Op: "open", Path: at, Err: fs.ErrNotExist}
		}
		at = e.path
	}
	c := &sparseContext{ctx: ctx, disk: w.disk, dir: at}
	var err error
	c.folder, err = diskContext(filepath.ToSlash(w.disk.system(at)), "")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.folder = nil
	case err != nil:
		return nil, err
	}
	if state == "" {
		return c, nil
	}
	return &partOf{c, state}, nil
}

// path is where a path of the context lies in the tree.
func (c *sparseContext) path(rel string) string {
	if rel == "." {
		return c.dir
	}
	return child(c.dir, rel)
}

// Walk visits what is at and below target in the order of names, as fsutil's own does.
func (c *sparseContext) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	rel := clean(strings.TrimPrefix(filepath.ToSlash(target), "/"))
	err := c.walkFrom(ctx, rel, fn)
	if errors.Is(err, fs.SkipDir) || errors.Is(err, fs.SkipAll) {
		return nil
	}
	return err
}

func (c *sparseContext) walkFrom(ctx context.Context, rel string, fn fs.WalkDirFunc) error {
	if rel == "." {
		return c.walkFolder(ctx, rel, fn)
	}
	siblings, there, err := c.list(filepath.ToSlash(filepath.Dir(rel)))
	if err != nil {
		return err
	}
	for _, e := range siblings {
		if e.path == c.path(rel) {
			return c.walk(ctx, e, rel, there[e.path], fn)
		}
	}
	return fn(filepath.FromSlash(rel), nil, &fs.PathError{Op: "lstat", Path: rel, Err: fs.ErrNotExist})
}

// list gives the entries of a folder, and which of them are on the disk.
func (c *sparseContext) list(rel string) (entries []*entry, there map[string]bool, err error) {
	dir := c.path(rel)
	found, err := os.ReadDir(c.disk.system(dir))
	if err != nil && !missing(err) {
		return nil, nil, err
	}
	there = map[string]bool{}
	for _, f := range found {
		e := &entry{path: child(dir, f.Name()), kind: f.Type()}
		entries, there[e.path] = append(entries, e), true
	}
	return c.disk.sparse.add(dir, entries), there, nil
}

func (c *sparseContext) walkFolder(ctx context.Context, rel string, fn fs.WalkDirFunc) error {
	if !c.disk.sparse.holds(c.path(rel)) {
		// All of it is on the disk: its hard links are known as such.
		return c.folder.Walk(ctx, filepath.FromSlash(rel), func(p string, d fs.DirEntry, err error) error {
			if filepath.ToSlash(p) == rel && err == nil {
				return nil // visited before
			}
			return fn(p, d, err)
		})
	}
	entries, there, err := c.list(rel)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := c.walk(ctx, e, clean(rel+"/"+e.name()), there[e.path], fn)
		if errors.Is(err, fs.SkipDir) {
			return nil // of a file: the rest of its folder
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// walk visits an entry, and what is below it.
func (c *sparseContext) walk(ctx context.Context, e *entry, rel string, there bool, fn fs.WalkDirFunc) error {
	var err error
	if there {
		err = c.visit(ctx, rel, fn)
	} else {
		err = fn(filepath.FromSlash(rel), leftOut{ctx, c, e, rel}, nil)
	}
	switch {
	case !e.isDir():
		return err
	case errors.Is(err, fs.SkipDir):
		return nil
	case err != nil:
		return err
	}
	return c.walkFolder(ctx, rel, fn)
}

// visit visits what is on the disk, without what is below it.
func (c *sparseContext) visit(ctx context.Context, rel string, fn fs.WalkDirFunc) error {
	var answer error
	err := c.folder.Walk(ctx, filepath.FromSlash(rel), func(p string, d fs.DirEntry, err error) error {
		answer = fn(p, d, err)
		return fs.SkipAll
	})
	if err != nil {
		return err
	}
	return answer
}

// leftOut is an entry that is not on the disk. Its content is not asked for before its
// size is: a partial clone need not hold it, and most of a context is not sent.
type leftOut struct {
	ctx context.Context // of Walk: fs.DirEntry's Info takes none
	of  *sparseContext
	e   *entry
	rel string
}

func (l leftOut) Name() string      { return l.e.name() }
func (l leftOut) IsDir() bool       { return l.e.kind == fs.ModeDir }
func (l leftOut) Type() fs.FileMode { return l.e.kind }

func (l leftOut) Info() (fs.FileInfo, error) {
	st, err := l.of.stat(l.ctx, l.e, l.rel)
	if err != nil {
		return nil, err
	}
	return &fsutil.StatInfo{Stat: st}, nil
}

// stat is that of what is left out.
func (c *sparseContext) stat(ctx context.Context, e *entry, rel string) (*types.Stat, error) {
	st := &types.Stat{Path: filepath.FromSlash(rel), Mode: uint32(modeDir), ModTime: epoch.UnixNano()}
	if e.kind == fs.ModeDir {
		return st, nil
	}
	if err := c.disk.fill(ctx, e); err != nil {
		return nil, err
	}
	st.Mode, st.ModTime = uint32(e.mode), timeOf(string(e.digest))
	data, err := c.disk.sparse.content(ctx, e, unlimited)
	if st.Size = int64(len(data)); e.kind == fs.ModeSymlink {
		st.Linkname = string(data)
	}
	return st, err
}

// Open gives a file's content.
func (c *sparseContext) Open(p string) (io.ReadCloser, error) {
	if c.folder != nil {
		if f, err := c.folder.Open(p); err == nil || !missing(err) {
			return f, err
		}
	}
	at := c.path(clean(strings.TrimPrefix(filepath.ToSlash(p), "/")))
	t := c.disk.sparse.index.find(at)
	if t == nil || !t.absent {
		return nil, absentFile(p)
	}
	return c.disk.sparse.open(c.ctx, &entry{path: at, kind: kindOf(t.mode), id: string(t.digest())})
}
