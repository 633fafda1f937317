package tree

import (
	"context"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/tonistiigi/fsutil"
)

// diskContext is a folder of the disk as a build context. state is the slash path
// of what is left out, from the folder; "" leaves nothing out.
func diskContext(dir, state string) (fsutil.FS, error) {
	f, err := fsutil.NewFS(filepath.FromSlash(dir))
	if missing(err) { // a file in its place is no folder either
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	if err != nil || state == "" {
		return f, err
	}
	return &partOf{f, state}, nil
}

// partOf is a build context without one of its folders.
type partOf struct {
	fsutil.FS
	without string
}

func (p *partOf) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	return p.FS.Walk(ctx, target, func(path string, d fs.DirEntry, err error) error {
		if filepath.ToSlash(path) == p.without {
			return fs.SkipDir
		}
		return fn(path, d, err)
	})
}

func (p *partOf) Open(path string) (io.ReadCloser, error) {
	if hides(p.without, filepath.ToSlash(path)) {
		return nil, absentFile(path)
	}
	return p.FS.Open(path)
}
