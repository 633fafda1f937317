package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"rebuild/impact"
	"rebuild/impact/safefile"
)

// ReadFile implements impact.Files. As with all else, a file that was read once, or
// was not there, is so for the life of the tree. The caller must not change the
// bytes.
func (r *reader) ReadFile(ctx context.Context, name string) ([]byte, error) {
	t, err := r.texts.get(clean(name), func() (text, error) {
		dt, err := r.readFile(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			return text{absent: err}, nil
		}
		return text{data: dt}, err
	})
	if err == nil {
		err = t.absent
	}
	return t.data, err
}

// text is a file that was read whole.
type text struct {
	data   []byte
	absent error // it was not there
}

func (r *reader) readFile(ctx context.Context, p string) ([]byte, error) {
	src, at := r.place(p)
	if src == source(r.outside) {
		name := filepath.FromSlash(at)
		r.outside.read.add(filepath.Dir(name))
		if fi, err := os.Stat(name); missing(err) {
			return nil, absentFile(p)
		} else if err == nil && !fi.Mode().IsRegular() {
			return nil, fmt.Errorf("read %s: %w", p, safefile.NotRegular(fi.Mode()))
		}
		return safefile.Read(name, safefile.Text)
	}
	f, err := r.find(ctx, at)
	if err != nil {
		return nil, err
	}
	if f.node == nil || f.node.entry == nil {
		if file, ok := r.leadsOut(ctx, at, f.links); ok {
			return nil, &impact.LinkError{Path: p, File: file}
		}
		return nil, absentFile(p)
	}
	e := f.node.entry
	if !e.kind.IsRegular() {
		return nil, fmt.Errorf("read %s: %w", p, safefile.NotRegular(e.kind))
	}
	data, err := r.content(ctx, e)
	if missing(err) {
		return nil, absentFile(p)
	}
	if len(data) > safefile.Text {
		return nil, fmt.Errorf("read %s: %w", p, safefile.TooLarge(safefile.Text))
	}
	return data, err
}

// named finds the entry of a path in all that is really there, links followed; nil
// if there is none, or if it is the root.
func (r *reader) named(ctx context.Context, p string) (*entry, error) {
	f, err := r.find(ctx, p)
	if err != nil || f.node == nil {
		return nil, err
	}
	return f.node.entry, nil
}

// find finds a path in all that is really there, links followed.
func (r *reader) find(ctx context.Context, p string) (found, error) {
	top, err := r.scope(ctx, r.all(), ".", nil)
	if err != nil {
		return found{}, err
	}
	return top.find(ctx, p, true)
}

// leadsOut tells where a path leads on a disk, an absolute slash path, if one of the links
// on its way leaves the tree.
func (r *reader) leadsOut(ctx context.Context, p string, links []*entry) (string, bool) {
	for _, e := range links {
		below, ok := strings.CutPrefix(p, e.path)
		text, err := r.all().link(ctx, e)
		if !ok || err != nil {
			return "", false
		}
		if text = filepath.ToSlash(text); isAbs(text) {
			return path.Join(text, below), true
		}
		p = path.Join(path.Dir(e.path), text, below)
		if p == ".." || strings.HasPrefix(p, "../") {
			return path.Join(filepath.ToSlash(r.stands), p), true
		}
	}
	return "", false
}

// all is the source that hides nothing.
func (r *reader) all() source {
	if r.raw != nil {
		return r.raw
	}
	return r.src
}

// readDir lists a folder of a source.
func (r *reader) readDir(ctx context.Context, src source, dir string) ([]fs.DirEntry, error) {
	at := clean(dir)
	if at != "." {
		e, err := r.named(ctx, at)
		if err != nil {
			return nil, err
		}
		if e != nil && e.git {
			return nil, nil // a submodule: another repository's files
		}
		if e == nil || !e.isDir() {
			return nil, &fs.PathError{Op: "read", Path: dir, Err: fs.ErrNotExist}
		}
		at = e.path
	}
	entries, err := src.list(ctx, at)
	if err != nil {
		return nil, err
	}
	var out []fs.DirEntry
	for _, e := range entries {
		if e.name() != ".git" {
			out = append(out, dirEntry{ctx, e, src})
		}
	}
	return out, nil
}

// readDirOutside lists a folder by its absolute path.
func readDirOutside(dir string) ([]fs.DirEntry, error) {
	found, err := os.ReadDir(filepath.FromSlash(dir))
	if err != nil {
		return nil, err
	}
	var out []fs.DirEntry
	for _, f := range found {
		if f.Name() != ".git" {
			out = append(out, f)
		}
	}
	return out, nil
}

// dirEntry is an entry of ReadDir.
type dirEntry struct {
	ctx context.Context // of ReadDir: fs.DirEntry's Info takes none
	e   *entry
	src source
}

func (d dirEntry) Name() string      { return d.e.name() }
func (d dirEntry) IsDir() bool       { return d.e.kind == fs.ModeDir }
func (d dirEntry) Type() fs.FileMode { return d.e.kind }
func (d dirEntry) String() string    { return fs.FormatDirEntry(d) }

// Info gives the mode; a tree has no sizes and times at hand.
func (d dirEntry) Info() (fs.FileInfo, error) {
	if err := d.src.fill(d.ctx, d.e); err != nil {
		return nil, err
	}
	if d.e.gone {
		return nil, absentFile(d.e.path)
	}
	return entryInfo{d.e}, nil
}

// hides tells whether a slash path is the program's own folder or lies in it.
func hides(state, p string) bool {
	return state != "" && (p == state || strings.HasPrefix(p, state+"/"))
}
