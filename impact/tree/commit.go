package tree

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"rebuild/impact"
	"rebuild/impact/safefile"
)

// commitSource is the source of a commit's files.
type commitSource struct {
	repo     *Repository
	commit   string
	view     View
	checkout *checkout
	folders  table[string, []*entry]
	sizes    table[string, int64]
	read     contentRead
}

func newCommitSource(r *Repository, commit string, view View) *commitSource {
	c := &commitSource{repo: r, commit: commit, view: view}
	c.checkout = newCheckout(r, c.attributes)
	return c
}

func (c *commitSource) list(ctx context.Context, dir string) ([]*entry, error) {
	return c.folders.get(dir, func() ([]*entry, error) { return c.readTree(ctx, dir) })
}

func (c *commitSource) readTree(ctx context.Context, dir string) ([]*entry, error) {
	id := c.commit
	if dir != "." {
		e, err := lookup(ctx, c, dir)
		if err != nil {
			return nil, err
		}
		if e == nil || !e.isDir() {
			return nil, &fs.PathError{Op: "read", Path: dir, Err: fs.ErrNotExist}
		}
		id = e.id
	}
	found, err := c.repo.readTree(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("commit %s: %s: %w", c.commit, dir, err)
	}
	entries := make([]*entry, len(found))
	for i, f := range found {
		entries[i] = &entry{path: child(dir, f.name), kind: kindOf(f.mode), git: f.mode == gitlink, id: f.id, mode: modeOf(f.mode)}
	}
	if dir == "." {
		entries = append(entries, ownGit(c.commit))
	}
	// Git sorts a folder as if its name ended in a slash.
	slices.SortFunc(entries, func(a, b *entry) int { return strings.Compare(a.path, b.path) })
	return entries, nil
}

// lookup finds a path without following links; nil if it isn't there.
func lookup(ctx context.Context, src source, p string) (*entry, error) {
	siblings, err := src.list(ctx, path.Dir(p))
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	i, ok := slices.BinarySearchFunc(siblings, p, func(e *entry, p string) int { return strings.Compare(e.path, p) })
	if !ok {
		return nil, nil
	}
	return siblings[i], nil
}

func (c *commitSource) fill(ctx context.Context, e *entry) error {
	return e.once(func() error {
		switch {
		case e.isDir():
			return nil
		case e.kind.IsRegular() && c.view == Bytes:
			converts, err := c.checkout.converts(ctx, e.path)
			if err != nil {
				return err
			}
			if converts {
				data, err := c.checkout.convert(ctx, e.path, e.id)
				if err != nil {
					return err
				}
				e.digest = c.repo.format.blob(data)
				_, err = c.sizes.get(e.path, func() (int64, error) { return int64(len(data)), nil })
				return err
			}
		}
		e.digest = impact.Digest(e.id)
		if !e.kind.IsRegular() || c.view == Bytes {
			return nil
		}
		var err error
		e.digest, err = c.checkout.converted(ctx, e.path, e.digest)
		return err
	})
}

// link reads no blob before somebody follows the link: a partial clone need not
// hold it.
func (c *commitSource) link(ctx context.Context, e *entry) (string, error) {
	c.read.add(e.path)
	text, err := c.repo.objects().blob(ctx, e.id, longestLink)
	if err != nil {
		return "", fmt.Errorf("commit %s: symlink %s: %w", c.commit, e.path, err)
	}
	return string(text), nil
}

// hollow never happens: git has no empty folders. A tree that holds only what an
// ignore file excludes is a folder for BuildKit.
func (c *commitSource) hollow(context.Context, *entry) (bool, error) { return false, nil }

// text gives a file as a clean checkout has it, if it is no longer than what people write.
func (c *commitSource) text(ctx context.Context, e *entry) ([]byte, error) {
	return c.contents(ctx, e, safefile.Text)
}

// contents gives a file as a clean checkout has it; its blob has no more than limit bytes.
func (c *commitSource) contents(ctx context.Context, e *entry, limit int64) ([]byte, error) {
	c.read.add(e.path)
	converts, err := c.checkout.converts(ctx, e.path)
	if err != nil {
		return nil, err
	}
	if converts {
		c.read.addConversion()
		if err := c.repo.blobWithin(ctx, e.id, limit); err != nil {
			return nil, fmt.Errorf("commit %s: %s: %w", c.commit, e.path, err)
		}
		return c.checkout.convert(ctx, e.path, e.id)
	}
	data, err := c.repo.objects().blob(ctx, e.id, limit)
	if err != nil {
		return nil, fmt.Errorf("commit %s: %s: %w", c.commit, e.path, err)
	}
	return data, nil
}

// attributes reads a .gitattributes file of the commit, as it is stored.
func (c *commitSource) attributes(ctx context.Context, p string) ([]byte, error) {
	e, err := lookup(ctx, c, p)
	if err != nil {
		return nil, err
	}
	if e == nil || !e.kind.IsRegular() {
		return nil, fs.ErrNotExist
	}
	c.read.add(p)
	return c.repo.objects().blob(ctx, e.id, safefile.Text)
}

// size gives the size of a file in a clean checkout.
func (c *commitSource) size(ctx context.Context, e *entry) (int64, error) {
	return c.sizes.get(e.path, func() (int64, error) {
		converts, err := c.checkout.converts(ctx, e.path)
		if err != nil {
			return 0, err
		}
		if converts {
			data, err := c.checkout.convert(ctx, e.path, e.id)
			return int64(len(data)), err
		}
		size, err := c.repo.objects().size(ctx, e.id)
		if err != nil {
			return 0, fmt.Errorf("commit %s: %s: %w", c.commit, e.path, err)
		}
		return size, nil
	})
}

// stream gives a file's content without holding it in memory.
func (c *commitSource) stream(ctx context.Context, e *entry) (io.ReadCloser, error) {
	converts, err := c.checkout.converts(ctx, e.path)
	if err != nil {
		return nil, err
	}
	if !converts {
		return c.repo.git.stream(ctx, "cat-file", "blob", e.id)
	}
	f, err := c.checkout.filters(ctx, e.path)
	if err != nil {
		return nil, err
	}
	return f.git.stream(ctx, "cat-file", "--filters", "--path="+e.path, e.id)
}
