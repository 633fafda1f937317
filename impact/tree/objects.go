package tree

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"rebuild/impact/safefile"
)

// objects reads a repository's commits. It is the one seam between this package
// and where they are stored; both implementations may be called concurrently.
type objects interface {
	// resolve gives the commit that a revision means; errNoObject if it has none.
	resolve(ctx context.Context, rev string) (string, error)
	// tree lists a tree, or the root tree of a commit.
	tree(ctx context.Context, id string) ([]treeEntry, error)
	// blob gives a blob of no more than so many bytes; unlimited for any.
	blob(ctx context.Context, id string, limit int64) ([]byte, error)
	size(ctx context.Context, id string) (int64, error)
}

const unlimited = math.MaxInt64

// longestLink is the most that is read of a symlink, in bytes; systems take some thousand.
const longestLink = 1 << 20

// sizeWithin is the error of a size beyond a limit.
func sizeWithin(size, limit int64) error {
	if size > limit {
		return safefile.TooLarge(limit)
	}
	return nil
}

// blobWithin is the error of a blob of more than limit bytes.
func (r *Repository) blobWithin(ctx context.Context, id string, limit int64) error {
	if limit == unlimited {
		return nil
	}
	size, err := r.objects().size(ctx, id)
	if err != nil {
		return err
	}
	return sizeWithin(size, limit)
}

// treeEntry is one line of a tree object.
type treeEntry struct {
	name string
	mode uint32 // git's
	id   string // hex
}

var errNoObject = errors.New("object not found")

// fallback asks a second implementation for what the first can't answer: objects
// that a partial clone has yet to fetch, revisions with operators, and whatever
// go-git does not know of git's formats.
type fallback struct{ first, second objects }

func (o fallback) resolve(ctx context.Context, rev string) (string, error) {
	if id, err := o.first.resolve(ctx, rev); err == nil {
		return id, nil
	}
	return o.second.resolve(ctx, rev)
}

func (o fallback) tree(ctx context.Context, id string) ([]treeEntry, error) {
	if t, err := o.first.tree(ctx, id); err == nil {
		return t, nil
	}
	return o.second.tree(ctx, id)
}

func (o fallback) blob(ctx context.Context, id string, limit int64) ([]byte, error) {
	if b, err := o.first.blob(ctx, id, limit); err == nil {
		return b, nil
	}
	return o.second.blob(ctx, id, limit)
}

func (o fallback) size(ctx context.Context, id string) (int64, error) {
	if n, err := o.first.size(ctx, id); err == nil {
		return n, nil
	}
	return o.second.size(ctx, id)
}

// largestPackIndex is where starting git becomes cheaper than go-git's reading
// of whole pack indexes into memory, in bytes: about 400,000 objects, 50 ms.
const largestPackIndex = 12 << 20

// onlyGit gives the reason why go-git can't be trusted with the repository, or
// "". go-git 5.19 refuses or misreads each of these.
func (r *Repository) onlyGit() string {
	if r.format.name != sha1Format.name {
		return "object format " + r.format.name
	}
	for _, name := range r.config.section("extensions") {
		if name != "partialclone" && name != "noop" {
			return "extensions." + name
		}
	}
	if r.config.isTrue("core.sparsecheckout", false) {
		return "core.sparseCheckout"
	}
	if r.MayReplace() {
		return "refs/replace or reftable"
	}
	for _, name := range []string{"objects/info/alternates", "info/grafts"} {
		if _, err := os.Lstat(filepath.Join(r.CommonDir, filepath.FromSlash(name))); err == nil {
			return name
		}
	}
	indexes, _ := filepath.Glob(filepath.Join(globEscape(r.CommonDir), "objects", "pack", "*.idx"))
	var size int64
	for _, name := range indexes {
		if fi, err := os.Stat(name); err == nil {
			size += fi.Size()
		}
	}
	if size > largestPackIndex {
		return "size"
	}
	return ""
}

// MayReplace tells whether git may show other objects in place of some
// (git-replace(1)): where refs are no files, that is not known.
func (r *Repository) MayReplace() bool {
	for _, name := range []string{"refs/replace", "reftable"} {
		if _, err := os.Lstat(filepath.Join(r.CommonDir, filepath.FromSlash(name))); err == nil {
			return true
		}
	}
	packed, err := safefile.Read(filepath.Join(r.CommonDir, "packed-refs"), safefile.Record)
	return err == nil && strings.Contains(string(packed), " refs/replace/")
}

// globEscape takes the meaning from a path's special characters. On Windows
// nothing can, and the folder's packs are then not counted.
func globEscape(path string) string {
	if filepath.Separator == '\\' {
		return path
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// openObjects chooses where commits are read.
func (r *Repository) openObjects() objects {
	program := newProgramObjects(r)
	if r.onlyGit() != "" {
		return program
	}
	lib, err := openGoGit(r.Root)
	if err != nil {
		return program
	}
	return fallback{lib, program}
}

// plain tells whether a name may stand in a tree: one that leads out of its folder, or
// into git's own, git does not check out either (read-cache.c, verify_path).
func plain(name string) bool {
	switch {
	case name == "", name == ".", name == "..", strings.Contains(name, "/"), dotGitOnNTFS(name), dotGitOnHFS(name):
		return false
	}
	return filepath.Separator != '\\' || !strings.ContainsAny(name, `\:`)
}

// parseTree reads the content of a tree object.
func parseTree(data []byte, f format) ([]treeEntry, error) {
	var entries []treeEntry
	for s := string(data); s != ""; {
		head, rest, ok := strings.Cut(s, "\x00")
		mode, name, ok2 := strings.Cut(head, " ")
		if !ok || !ok2 || len(rest) < f.size {
			return nil, errors.New("damaged tree object")
		}
		bits, err := strconv.ParseUint(mode, 8, 32)
		if err != nil {
			return nil, errors.New("damaged tree object")
		}
		if !plain(name) {
			return nil, fmt.Errorf("tree object: entry %q is not a plain name", name)
		}
		entries = append(entries, treeEntry{name, uint32(bits), hex.EncodeToString([]byte(rest[:f.size]))})
		s = rest[f.size:]
	}
	return entries, nil
}
