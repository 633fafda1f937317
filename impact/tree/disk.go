package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"rebuild/impact"
	"rebuild/impact/safefile"
)

// disk is the source of what lies on the disk, as BuildKit reads it: all of it,
// with real modes.
type disk struct {
	root   string // of the system; "" for absolute paths
	state  string // slash path of the program's own folder, which is not shown; "" for none
	format format
	cache  *statCache

	// known gives a file's digest without reading it, when git's index has it. It
	// may be nil.
	known func(ctx context.Context, path string, st stat) (impact.Digest, bool)

	sparse *sparse // what a sparse checkout leaves out; nil: nothing

	large func(path string, size int64) // as Options.Large

	folders table[string, []*entry]
	read    foldersRead
}

// system is a path of the tree as the system writes it.
func (d *disk) system(p string) string {
	switch {
	case d.root == "":
		return filepath.FromSlash(p)
	case p == ".":
		return d.root
	}
	return d.root + string(filepath.Separator) + filepath.FromSlash(p)
}

func (d *disk) list(_ context.Context, dir string) ([]*entry, error) {
	return d.folders.get(dir, func() ([]*entry, error) { return d.readDir(dir) })
}

func (d *disk) readDir(dir string) ([]*entry, error) {
	// A folder that a symlink stands for is not listed here: who follows links,
	// and how far, is for the caller to say.
	d.read.add(d.system(dir))
	found, err := os.ReadDir(d.system(dir))
	switch {
	case missing(err) && d.sparse.holds(dir):
		err = nil
	case missing(err):
		return nil, &fs.PathError{Op: "read", Path: dir, Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, err
	}
	entries := make([]*entry, 0, len(found))
	for _, f := range found {
		p := child(dir, f.Name())
		if p == d.state {
			continue
		}
		entries = append(entries, &entry{path: p, kind: f.Type()})
	}
	return d.sparse.add(dir, entries), nil
}

func (d *disk) fill(ctx context.Context, e *entry) error {
	return e.once(func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if e.id != "" {
			return d.sparse.fill(ctx, e)
		}
		fi, err := os.Lstat(d.system(e.path))
		if missing(err) && d.sparse.holds(e.path) { // a folder of which all is left out
			e.mode = modeDir
			return nil
		}
		if missing(err) {
			e.gone = true
			return nil
		}
		if err != nil {
			return err
		}
		if fi.Mode().Type() != e.kind {
			return &ChangedError{e.path}
		}
		e.mode, e.touch = realMode(fi), statOf(fi).lastChange()
		switch {
		case e.kind.IsDir():
			return nil
		case e.kind == fs.ModeSymlink:
			e.mode = modeSymlink
			return d.readLink(e)
		case !e.kind.IsRegular():
			// A device or a pipe: what it is counts, not what it holds.
			e.digest = d.format.blob([]byte(special(fi)))
			return nil
		}
		e.digest, err = d.content(ctx, e.path, statOf(fi))
		if missing(err) {
			e.gone, err = true, nil
		}
		return err
	})
}

func (d *disk) readLink(e *entry) error {
	link, err := os.Readlink(d.system(e.path))
	if missing(err) {
		e.gone = true
		return nil
	}
	if err != nil {
		return err
	}
	e.text = filepath.ToSlash(link)
	e.digest = d.format.blob([]byte(e.text))
	return nil
}

func (d *disk) link(ctx context.Context, e *entry) (string, error) {
	if e.id != "" {
		text, err := d.sparse.content(ctx, e, longestLink)
		return string(text), err
	}
	err := d.fill(ctx, e)
	return e.text, err
}

func (d *disk) content(ctx context.Context, path string, st stat) (impact.Digest, error) {
	if d.known != nil {
		if digest, ok := d.known(ctx, path, st); ok {
			return digest, nil
		}
	}
	return d.bytes(ctx, path, st)
}

// bytes gives the digest of a file's bytes, from the cache or by reading it.
func (d *disk) bytes(ctx context.Context, path string, st stat) (impact.Digest, error) {
	if digest, ok := d.cache.get(path, st, 0); ok {
		return digest, nil
	}
	// A file that shrinks while it is read is read again.
	for try := 1; ; try++ {
		digest, settled, err := d.hash(ctx, path, st)
		if err == nil && settled {
			d.cache.put(path, st, 0, digest)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = &ChangedError{path}
			if try < 3 {
				if fi, serr := os.Lstat(d.system(path)); serr == nil && fi.Mode().IsRegular() {
					st = statOf(fi)
					continue
				}
			}
		}
		return digest, err
	}
}

// ChangedError says that a file was written while it was read. Looking again
// finds it settled.
type ChangedError struct{ Path string }

// Error implements error.
func (e *ChangedError) Error() string { return "read " + e.Path + ": changed while it was read" }

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// hash reads as much of a file as its stat says; one that grows meanwhile, like a
// log, is taken as it was. Only a settled one has that stat for certain. It ends with ctx.
func (d *disk) hash(ctx context.Context, path string, st stat) (digest impact.Digest, settled bool, err error) {
	f, err := os.Open(d.system(path))
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	if d.large != nil && st.size >= LargeFile {
		d.large(path, st.size)
	}
	h := d.format.header(st.size)
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	n, err := io.CopyBuffer(h, io.LimitReader(interruptible{ctx, f}, st.size), *buf)
	if err != nil {
		return "", false, err
	}
	if n < st.size {
		return "", false, io.ErrUnexpectedEOF
	}
	fi, err := f.Stat()
	if err != nil {
		return "", false, err
	}
	return idOf(h), statOf(fi) == st, nil
}

// interruptible reads until a context ends: a file may be of any size.
type interruptible struct {
	ctx context.Context
	io.Reader
}

func (r interruptible) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}

func (d *disk) hollow(context.Context, *entry) (bool, error) { return false, nil }

// special describes what has no content.
func special(fi fs.FileInfo) string {
	return "special " + strconv.FormatUint(uint64(fi.Mode().Type()), 8) + " " + device(fi)
}

// missing tells whether an error says that a path is not there, be it that a part
// of it is a file.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || isNotDir(err)
}

// readFile reads a file by its path in the tree, links followed by the caller.
func (d *disk) readFile(path string) ([]byte, error) {
	d.read.add(filepath.Dir(d.system(path)))
	fi, err := os.Lstat(d.system(path))
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: %w", path, safefile.NotRegular(fi.Mode()))
	}
	return safefile.Read(d.system(path), safefile.Text)
}

// relative gives the slash path of a system path within root, if it lies there.
func relative(root, p string) (string, bool) {
	rel, err := filepath.Rel(root, p)
	if err != nil {
		return "", false
	}
	rel = filepath.ToSlash(rel)
	if rel == ".." || strings.HasPrefix(rel, "../") {
		return "", false
	}
	return rel, true
}
