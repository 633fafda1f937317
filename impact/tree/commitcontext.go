package tree

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// commitContext is a folder of a commit as a build context.
type commitContext struct {
	// ctx is that of the build. It is kept because fsutil.FS's Open takes none, and what
	// git has to convert or to fetch may never come to its end.
	ctx   context.Context
	files *commitSource
	dir   string
}

// Walk visits what is at and below target in the order that the file sync demands
// (fsutil's validator): by name, a folder before what is in it.
func (c *commitContext) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	rel := clean(strings.TrimPrefix(filepath.ToSlash(target), "/"))
	err := c.walkFrom(ctx, rel, fn)
	if errors.Is(err, fs.SkipDir) || errors.Is(err, fs.SkipAll) {
		return nil
	}
	return err
}

func (c *commitContext) walkFrom(ctx context.Context, rel string, fn fs.WalkDirFunc) error {
	if rel == "." {
		return c.walkFolder(ctx, c.dir, fn)
	}
	e, err := lookup(ctx, c.files, c.path(rel))
	if err != nil {
		return err
	}
	if e == nil || e.own {
		return fn(filepath.FromSlash(rel), nil, &fs.PathError{Op: "lstat", Path: rel, Err: fs.ErrNotExist})
	}
	return c.walk(ctx, e, fn)
}

func (c *commitContext) path(rel string) string {
	if rel == "." {
		return c.dir
	}
	return child(c.dir, rel)
}

func (c *commitContext) walk(ctx context.Context, e *entry, fn fs.WalkDirFunc) error {
	st, err := c.stat(ctx, e)
	if err != nil {
		return err
	}
	err = fn(st.Path, &fsutil.DirEntryInfo{Stat: st}, nil)
	if !e.isDir() {
		return err
	}
	if errors.Is(err, fs.SkipDir) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.walkFolder(ctx, e.path, fn)
}

func (c *commitContext) walkFolder(ctx context.Context, dir string, fn fs.WalkDirFunc) error {
	entries, err := c.files.list(ctx, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if e.own {
			continue
		}
		err := c.walk(ctx, e, fn)
		if errors.Is(err, fs.SkipDir) {
			return nil // of a file: the rest of its folder
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *commitContext) stat(ctx context.Context, e *entry) (*types.Stat, error) {
	rel := e.path
	if c.dir != "." {
		rel = e.path[len(c.dir)+1:]
	}
	st := &types.Stat{Path: filepath.FromSlash(rel), Mode: uint32(e.mode), ModTime: epoch.UnixNano()}
	if e.kind == fs.ModeDir {
		return st, nil
	}
	if err := c.files.fill(ctx, e); err != nil {
		return nil, err
	}
	st.ModTime = timeOf(string(e.digest))
	if e.kind == fs.ModeSymlink {
		text, err := c.files.link(ctx, e)
		st.Linkname, st.Size = text, int64(len(text))
		return st, err
	}
	var err error
	st.Size, err = c.files.size(ctx, e)
	return st, err
}

// epoch is where the times of commits' files begin.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// timeOf derives a modification time from content: the file sync takes a file of
// equal size and time for the same, and would leave another commit's content in
// place. It spreads over the 20 years that no file system minds.
func timeOf(digest string) int64 {
	const span = uint64(20 * 365 * 24 * time.Hour)
	n, err := strconv.ParseUint(digest[:min(16, len(digest))], 16, 64)
	if err != nil {
		n = 0
	}
	return epoch.UnixNano() + int64(n%span)
}

// largest file, in bytes, that is held in memory while it is sent
const largest = 16 << 20

// Open gives a file's content.
func (c *commitContext) Open(p string) (io.ReadCloser, error) {
	ctx := c.ctx
	rel := clean(filepath.ToSlash(p))
	e, err := lookup(ctx, c.files, c.path(rel))
	if err != nil {
		return nil, err
	}
	if e == nil || !e.kind.IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
	}
	size, err := c.files.size(ctx, e)
	if err != nil {
		return nil, err
	}
	if size > largest {
		return c.files.stream(ctx, e)
	}
	data, err := c.files.contents(ctx, e, unlimited)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}
