package impact

import (
	"context"
	"fmt"
	"time"
)

// Selection is what a layer reads from one build context: one COPY or ADD
// source, or one bind mount. Its fields are those of BuildKit's selector
// (solver/llbsolver/ops/opsutils/contenthash.go), so that a tree can say what
// BuildKit's content hash (cache/contenthash) would cover.
type Selection struct {
	Context  string   // folder in the tree; absolute: outside of it
	Ignore   Ignore   // the ignore file that applies to the context
	Path     string   // absolute within the context: "/", "/shared", "/docker/*.txt"
	Wildcard bool     // Path may hold wildcards
	Follow   bool     // a symlink at the end of Path is followed
	Include  []string // patterns below Path (COPY --parents)
	Exclude  []string // patterns below Path (COPY --exclude)
	Required []string // paths of which something must exist (COPY --parents without wildcards)
}

// Ignore is the effective ignore file of a build context.
type Ignore struct {
	File     string   // its path in the tree, "" when there is none
	Patterns []string // as BuildKit reads them (moby/patternmatcher/ignorefile)
}

// Reading is what a selection holds in one tree.
type Reading struct {
	// Digest is equal for two readings exactly when BuildKit's content hash is:
	// content, relative path, type, mode and link text count; times and owners
	// do not. Wildcards behind a symlink differ from the same without it, as they
	// do in BuildKit before 0.9.
	Digest Digest

	// Files are the entries that the digest covers, by path (from the root of
	// the tree): regular files, symlinks and folders.
	Files []File

	// Changed is when the last of what was read was changed in any way, as far as the
	// file system tells; zero in a commit. It is no part of the digest: equal digests
	// with a change between are a file that was edited there and back.
	Changed time.Time

	// Missing is the path, as the instruction writes it, that makes the
	// instruction fail because nothing is there; "" when nothing is missing.
	Missing string

	// HiddenBy is the 1-based line of the ignore file whose pattern hides Missing, 0
	// when the path does not exist at all.
	HiddenBy int

	// NoGit says that Missing lies in .git, which no commit holds.
	NoGit bool

	// TakesGit says that .git is read with the rest, without being named. Against a commit
	// that is no change.
	TakesGit bool

	// Empty are the submodules that are read and that hold nothing, because a commit has
	// the name of theirs alone.
	Empty []string
}

// File is one entry of a tree.
type File struct {
	Path   string // slash path from the root of the tree
	Mode   uint32 // as os.FileMode
	Digest Digest // of the content; of a symlink: of its text; "" for a folder
}

// Files is the view of a tree that the model needs. Both methods may be called
// concurrently.
type Files interface {
	// ReadFile gives the content of a file, following symlinks within the tree.
	// The error is fs.ErrNotExist when there is none; a *LinkError where a link leads out.
	ReadFile(ctx context.Context, path string) ([]byte, error)

	// Read evaluates a selection. A missing source is no error but said in
	// Reading.Missing.
	Read(ctx context.Context, sel Selection) (*Reading, error)
}

// Fault says why an image cannot be built, or why a definition cannot be read.
type Fault struct {
	Path  string `json:"path,omitempty"` // file, from the root of the tree
	Line  int    `json:"line,omitempty"` // 1-based; 0: not known
	Cause string `json:"cause"`
	Hint  string `json:"hint,omitempty"` // the command or edit that cures it
}

// Error is "path:line: cause", as far as they are known.
func (f *Fault) Error() string {
	switch {
	case f.Path == "":
		return f.Cause
	case f.Line == 0:
		return fmt.Sprintf("%s: %s", f.Path, f.Cause)
	}
	return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.Cause)
}
