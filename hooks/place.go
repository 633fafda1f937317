// Package hooks is the git side of the pre-push hook: where git looks for it, how
// it is put there beside a hook that is there already, how it is taken away again,
// and what git tells it.
//
// It promises that a hook of somebody else is kept, run first with the same
// arguments and standard input, and put back; that nothing in a working tree is
// written to; and that a push goes through when the program is gone.
package hooks

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// Place is where git looks for the hooks of one repository.
type Place struct {
	Dir string // the hooks folder, absolute; it need not be there

	repo   string // a folder of the repository
	own    bool   // Dir lies in the repository's git folder
	inTree bool
}

// Find asks git where the hooks of the repository that dir lies in are.
func Find(ctx context.Context, dir string) (*Place, error) {
	out, err := runGit(ctx, dir, "rev-parse", "--git-common-dir", "--git-path", "hooks")
	if err != nil {
		return nil, err
	}
	common, hooks, ok := strings.Cut(out, "\n")
	if !ok {
		return nil, fmt.Errorf("git rev-parse: unexpected answer %q", out)
	}
	p := &Place{Dir: absolute(dir, hooks), repo: dir}
	// In a bare repository there is no working tree to be a part of.
	top, err := runGit(ctx, dir, "rev-parse", "--show-toplevel")
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	real := resolved(p.Dir)
	p.own = inside(real, resolved(absolute(dir, common)))
	p.inTree = !p.own && top != "" && inside(real, resolved(filepath.FromSlash(top)))
	return p, nil
}

// InTree tells whether the hooks folder is a part of the working tree (husky's
// .husky/_, say): it is not ours to write to.
func (p *Place) InTree() bool { return p.inTree }

// Shared tells whether other repositories may use the hooks folder too.
func (p *Place) Shared() bool { return !p.own && !p.inTree }

// File is the hook file that git runs.
func (p *Place) File() string { return filepath.Join(p.Dir, "pre-push") }

// Kept is where the hook of somebody else is kept.
func (p *Place) Kept() string { return filepath.Join(p.Dir, keptName) }

// userFile is the hook file of the working tree that a user adds a line to. The
// files of husky's own folder only dispatch to those in the one above it.
func (p *Place) userFile() string {
	if filepath.Base(p.Dir) == "_" {
		return filepath.Join(filepath.Dir(p.Dir), "pre-push")
	}
	return p.File()
}

func absolute(dir, path string) string {
	path = filepath.FromSlash(path)
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return filepath.Clean(path)
}

// resolved follows the links of the part of a path that is there.
func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(resolved(parent), filepath.Base(path))
}

// inside tells whether a path is a folder or lies in it.
func inside(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
