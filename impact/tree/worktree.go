package tree

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tonistiigi/fsutil"

	"rebuild/impact"
	"rebuild/impact/safefile"
)

// Options are those of a working tree.
type Options struct {
	View     View
	CacheDir string     // where the stat cache is kept; "": nowhere
	Index    *IndexMemo // shared with other working trees of the repository; may be nil

	// Large is told of a file of at least LargeFile bytes before it is read for its digest;
	// it may be called concurrently, and may be nil.
	Large func(path string, size int64)
}

// LargeFile is the size from which a file's digest takes long enough to be told of: about
// a second and a half a GiB.
const LargeFile = 1 << 30

// Worktree is the tree of what lies on the disk. What it has seen once it does not
// look at again: a later moment needs another Worktree.
type Worktree struct {
	reader
	disk  *disk
	cache *statCache
	git   *gitDisk // nil outside of git
}

// Folder gives the tree of a folder that lies in no repository.
func Folder(dir string, opt Options) (*Worktree, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	// Links are followed once, so that every path has one name.
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return nil, err
	}
	return newWorktree(root, "", sha1Format, opt), nil
}

// Worktree gives the tree of the repository's working tree as it is now.
func (r *Repository) Worktree(ctx context.Context, opt Options) (*Worktree, error) {
	state, _ := relative(r.Root, r.StateDir())
	w := newWorktree(r.Root, state, r.format, opt)
	ix, err := readIndex(ctx, r, opt.Index, w.cache.moment)
	if err != nil {
		return nil, err
	}
	readAttributes := func(ctx context.Context, p string) ([]byte, error) {
		text, err := w.disk.readFile(p)
		if e := ix.find(p); missing(err) && e != nil {
			return r.objects().blob(ctx, string(e.digest()), safefile.Text) // as git does
		}
		return text, err
	}
	attrs := newAttributes(r, readAttributes)
	w.disk.sparse = newSparse(r, ix, readAttributes)
	w.git = newGitDisk(r, w.disk, ix, attrs, cmp.Or(opt.CacheDir, r.GitDir))
	if opt.View == Git {
		w.reader.src, w.reader.raw = w.git, w.disk
		return w, nil
	}
	// Git's index knows the bytes of a clean file if they are those of its blob.
	w.disk.known = func(ctx context.Context, p string, st stat) (impact.Digest, bool) {
		e := ix.find(p)
		if e == nil || e.mode&gitType != gitFile&gitType || !ix.clean(e, st) {
			return "", false
		}
		if may, err := attrs.mayConvert(ctx, p); err != nil || may {
			return "", false
		}
		return e.digest(), true
	}
	return w, nil
}

func newWorktree(root, state string, f format, opt Options) *Worktree {
	// One cache a working tree: linked ones share the folder.
	name := sha256.Sum256([]byte(root))
	cache := loadStatCache(opt.CacheDir, "stat-"+hex.EncodeToString(name[:8]), root+"\x00"+f.name, f)
	d := &disk{root: root, state: state, format: f, cache: cache, large: opt.Large}
	return &Worktree{
		disk:  d,
		cache: cache,
		reader: reader{
			root:    root,
			stands:  root,
			src:     d,
			outside: &disk{format: f, cache: cache, large: opt.Large},
			content: func(ctx context.Context, e *entry) ([]byte, error) {
				if e.id != "" {
					return d.sparse.content(ctx, e, safefile.Text)
				}
				return d.readFile(e.path)
			},
		},
	}
}

// FoldersRead lists the folders that the tree listed so far, or in which it sought a
// file, as absolute system paths, sorted. Nothing outside them has a part in what the
// tree answered; folders among them may not exist. Who wants to know when to look again
// watches these.
func (w *Worktree) FoldersRead() []string {
	dirs := []string{w.root}
	for _, d := range []*disk{w.disk, w.outside} {
		for _, dir := range d.read.all() {
			dirs = append(dirs, filepath.Clean(dir))
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// Save writes the stat cache, if it learnt anything.
func (w *Worktree) Save() error { return w.cache.save() }

// Side implements Tree.
func (w *Worktree) Side() impact.Side { return impact.Side{Kind: impact.SideWorktree} }

// ReadDir implements Tree.
func (w *Worktree) ReadDir(ctx context.Context, dir string) ([]fs.DirEntry, error) {
	src, at := w.place(dir)
	switch {
	case src == source(w.outside):
		w.outside.read.add(filepath.FromSlash(at))
		return readDirOutside(at)
	case w.git != nil:
		entries, err := w.readDir(ctx, w.git, at)
		if err != nil {
			return nil, err
		}
		special, err := w.git.special(ctx, at)
		for _, e := range special {
			entries = append(entries, dirEntry{ctx, e, w.disk})
		}
		return entries, err
	}
	return w.readDir(ctx, w.disk, at)
}

// Tracked tells whether a file is under git's control; outside of git each is taken to be.
func (w *Worktree) Tracked(path string) bool {
	return w.git == nil || w.git.index.find(clean(path)) != nil
}

// Context implements Tree.
func (w *Worktree) Context(ctx context.Context, dir string) (fsutil.FS, error) {
	src, at := w.place(dir)
	if src == source(w.outside) {
		return diskContext(at, "")
	}
	state := ""
	if w.disk.state != "" {
		if at == "." {
			state = w.disk.state
		} else if rest, ok := strings.CutPrefix(w.disk.state, at+"/"); ok {
			state = rest
		}
	}
	if w.disk.sparse == nil {
		return diskContext(filepath.ToSlash(w.disk.system(at)), state)
	}
	return w.sparseContext(ctx, at, state)
}

var (
	_ Tree = (*Worktree)(nil)
	_ Tree = (*CommitTree)(nil)
)
