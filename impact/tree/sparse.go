package tree

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"slices"
	"strings"

	"rebuild/impact"
)

// sparse gives the files that a sparse checkout leaves out: they are as the index has
// them, in the content and the modes of a clean checkout, wherever the working tree is
// read or built.
type sparse struct {
	repo     *Repository
	index    *index
	checkout *checkout
}

// newSparse gives nil where nothing is left out. The bit that says so ("skip worktree")
// counts in a sparse checkout only: set by hand, it has git overlook what the disk has.
func newSparse(r *Repository, ix *index, attributes func(context.Context, string) ([]byte, error)) *sparse {
	if !ix.skipped || !r.config.isTrue("core.sparsecheckout", false) {
		return nil
	}
	return &sparse{repo: r, index: ix, checkout: newCheckout(r, attributes)}
}

// holds tells whether something in a folder is left out.
func (s *sparse) holds(dir string) bool {
	return s != nil && slices.ContainsFunc(s.index.below(dir), func(t indexEntry) bool { return t.absent })
}

// add adds to the entries of a folder what is left out of it.
func (s *sparse) add(dir string, entries []*entry) []*entry {
	if s == nil {
		return entries
	}
	there := map[string]bool{}
	for _, e := range entries {
		there[e.path] = true
	}
	below := s.index.below(dir)
	for i := range below {
		t := &below[i]
		if !t.absent {
			continue
		}
		rest := t.path
		if dir != "." {
			rest = t.path[len(dir)+1:]
		}
		first, _, deeper := strings.Cut(rest, "/")
		p := child(dir, first)
		if there[p] {
			continue
		}
		there[p] = true
		e := &entry{path: p}
		switch {
		case deeper:
			e.kind = fs.ModeDir
		default:
			e.kind, e.git = kindOf(t.mode), t.mode == gitlink
			e.id = string(t.digest())
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b *entry) int { return strings.Compare(a.path, b.path) })
	return entries
}

// fill completes an entry that is left out, by its bytes.
func (s *sparse) fill(ctx context.Context, e *entry) error {
	e.mode, e.digest = modeOf(s.index.find(e.path).mode), impact.Digest(e.id)
	if !e.kind.IsRegular() {
		return nil
	}
	converts, err := s.checkout.converts(ctx, e.path)
	if err != nil || !converts {
		return err
	}
	data, err := s.checkout.convert(ctx, e.path, e.id)
	e.digest = s.repo.format.blob(data)
	return err
}

// content gives the content of a file that is left out, or the text of a symlink.
// The blob has no more than limit bytes.
func (s *sparse) content(ctx context.Context, e *entry, limit int64) ([]byte, error) {
	if e.kind.IsRegular() {
		converts, err := s.checkout.converts(ctx, e.path)
		if err != nil {
			return nil, err
		}
		if converts {
			if err := s.repo.blobWithin(ctx, e.id, limit); err != nil {
				return nil, err
			}
			return s.checkout.convert(ctx, e.path, e.id)
		}
	}
	return s.repo.objects().blob(ctx, e.id, limit)
}

// open gives the content of a file that is left out, as a build context does.
func (s *sparse) open(ctx context.Context, e *entry) (io.ReadCloser, error) {
	data, err := s.content(ctx, e, unlimited)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}
