package tree

import (
	"context"
	"io/fs"
	"path"
	"strings"
	"sync"

	"rebuild/impact"
)

// source lists the files of one tree. It is what the two kinds of tree and the
// two views differ in; how a selection is evaluated is the same for all. Its
// methods may be called concurrently.
type source interface {
	// list gives the entries of a folder by name, shared by all callers; the error
	// is fs.ErrNotExist when there is no such folder.
	list(ctx context.Context, dir string) ([]*entry, error)

	// fill completes an entry of list: mode and digest.
	fill(ctx context.Context, e *entry) error

	// link gives a symlink's text.
	link(ctx context.Context, e *entry) (string, error)

	// hollow tells whether a folder is to be taken as absent, because it holds
	// nothing. It may have to look into all of its subfolders.
	hollow(ctx context.Context, e *entry) (bool, error)
}

// entry is one file, symlink or folder of a tree.
type entry struct {
	path string      // slash path from the root of the tree, or absolute
	kind fs.FileMode // type bits only
	git  bool        // a submodule's commit, or .git itself: nothing in it is listed
	own  bool        // .git itself, where it stands for the commit: found by its name alone
	file bool        // a symlink that lies on the disk as a file (core.symlinks=false)
	id   string      // of the object, in a commit or the index

	mu     sync.Mutex
	filled bool  // guards what follows, once set
	gone   bool  // it vanished after it was listed
	touch  int64 // when it was last changed in any way, in nanoseconds; 0: not known
	mode   fs.FileMode
	digest impact.Digest // of the content; of a symlink's text; of a submodule
	text   string        // a symlink's text, where reading it makes the digest
}

func (e *entry) name() string { return e.path[strings.LastIndexByte(e.path, '/')+1:] }
func (e *entry) isDir() bool  { return e.kind == fs.ModeDir && !e.git }

// once runs complete unless the entry is filled already.
func (e *entry) once(complete func() error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.filled {
		return nil
	}
	if err := complete(); err != nil {
		return err
	}
	e.filled = true
	return nil
}

func (e *entry) isFilled() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.filled
}

// Modes that git knows.
const (
	modeFile    fs.FileMode = 0o644
	modeExec    fs.FileMode = 0o755
	modeSymlink             = fs.ModeSymlink | 0o777
	modeDir                 = fs.ModeDir | 0o755
)

// child is the path of a folder's entry.
func child(dir, name string) string {
	switch {
	case dir == ".":
		return name
	case strings.HasSuffix(dir, "/"):
		return dir + name
	}
	return dir + "/" + name
}

// clean gives a slash path from the root, or an absolute one, in its one form. What would lead out of the root stays in it, as in a chroot.
func clean(p string) string {
	if isAbs(p) {
		return path.Clean(p)
	}
	if p = path.Join("/", p)[1:]; p == "" {
		return "."
	}
	return p
}

// isAbs knows the absolute paths of all systems: those of Windows have a drive.
func isAbs(p string) bool {
	return strings.HasPrefix(p, "/") || len(p) > 2 && p[1] == ':' && p[2] == '/'
}
