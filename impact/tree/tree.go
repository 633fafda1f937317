// Package tree reads a repository's files at one moment: the working tree, with
// a cache of stats so that an unchanged file is never read twice, or a commit,
// from objects alone. Both say what a selection of a build context holds, as
// BuildKit's content hash would (moby/buildkit cache/contenthash), and both are
// build contexts themselves.
//
// Only what a selection can reach is listed, and only what it holds is hashed.
// A folder is listed once, a selection is evaluated once, however many images
// share it.
//
// What it does not see: extended attributes, and the times and owners of files.
package tree

import (
	"context"
	"io/fs"

	"github.com/tonistiigi/fsutil"

	"rebuild/impact"
)

// Tree is a read-only view of the repository's files at one moment. Its methods
// may be called concurrently.
type Tree interface {
	impact.Files

	// Context gives a folder of the tree as a build context, unfiltered, for
	// BuildKit's file sync. dir is a slash path from the root, or absolute. ctx is that
	// of the whole build: when it ends, no file can be read any more.
	Context(ctx context.Context, dir string) (fsutil.FS, error)

	// ReadDir lists a folder, sorted by name, so that definitions can be found.
	// Of a working tree it leaves out .git and what git ignores, in both views: a
	// definition that no commit can hold is only read when it is named.
	ReadDir(ctx context.Context, dir string) ([]fs.DirEntry, error)

	// Side says which moment it is.
	Side() impact.Side
}

// View says what makes two files differ.
type View int

const (
	// Bytes is the view of BuildKit, used against the record of a build: every
	// file that is there with its real mode, whether git knows it or not. A
	// commit is seen as a clean checkout would have it.
	Bytes View = iota

	// Git is the view of git, used against a commit: modes as git records them, and
	// blob ids as content. What git ignores, .git and empty folders are not
	// there, and a file that git calls unmodified is no change.
	Git
)

// String is "bytes" or "git".
func (v View) String() string {
	if v == Git {
		return "git"
	}
	return "bytes"
}
