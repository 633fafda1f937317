package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/patternmatcher"

	"rebuild/impact"
)

// reader evaluates selections: each once, however many images have it.
type reader struct {
	root    string // of the working tree, to know absolute paths that lie in it; "" for a commit
	stands  string // where the tree's root is, or would be, on the disk: links count from there
	src     source
	outside *disk // absolute paths

	// raw is what is really there, when src hides some of it (the working tree
	// in git's view); else nil.
	raw source

	// content reads a file of all().
	content func(ctx context.Context, e *entry) ([]byte, error)

	scopes   table[scopeKey, *scope]
	readings table[string, *impact.Reading]
	texts    table[string, text]
}

type scopeKey struct {
	src      source
	dir      string
	patterns string
}

// Read implements impact.Files.
func (r *reader) Read(ctx context.Context, sel impact.Selection) (*impact.Reading, error) {
	return r.readings.get(selectionKey(sel), func() (*impact.Reading, error) { return r.read(ctx, sel) })
}

func selectionKey(sel impact.Selection) string {
	var b strings.Builder
	for _, list := range [][]string{
		{sel.Context, sel.Ignore.File, sel.Path, strconv.FormatBool(sel.Wildcard), strconv.FormatBool(sel.Follow)},
		sel.Ignore.Patterns, sel.Include, sel.Exclude, sel.Required,
	} {
		b.WriteString(strconv.Itoa(len(list)))
		for _, s := range list {
			b.WriteString("\x00" + s)
		}
		b.WriteString("\x00")
	}
	return b.String()
}

func (r *reader) read(ctx context.Context, sel impact.Selection) (*impact.Reading, error) {
	src, dir := r.place(sel.Context)
	s, err := r.scope(ctx, src, dir, sel.Ignore.Patterns)
	if err != nil {
		return nil, r.patternFault(ctx, sel.Ignore, err)
	}
	reading, err := s.read(ctx, sel)
	absent := (*absentError)(nil)
	if !errors.As(err, &absent) {
		if err != nil {
			err = fmt.Errorf("context %s: %s: %w", sel.Context, sel.Path, err)
		}
		return reading, err
	}
	return r.readAbsent(ctx, sel, src, dir, absent)
}

// readAbsent is the reading of a selection that finds nothing.
func (r *reader) readAbsent(ctx context.Context, sel impact.Selection, src source, dir string, absent *absentError) (*impact.Reading, error) {
	reading := &impact.Reading{Digest: absentDigest(sel, absent)}
	if absent.module != nil {
		reading.Files = filesOf([]*entry{absent.module})
	}
	if r.raw != nil && src == r.src {
		// BuildKit will find what only git doesn't know. It is no change against a
		// commit, which doesn't know it either.
		src = r.raw
		s, err := r.scope(ctx, src, dir, sel.Ignore.Patterns)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		_, err = s.cover(ctx, sel)
		s.mu.Unlock()
		if err == nil {
			return reading, nil
		}
		if !errors.As(err, &absent) {
			return nil, err
		}
	}
	reading.Missing = absent.path
	reading.NoGit = absent.module != nil && absent.module.own
	var err error
	reading.HiddenBy, err = r.hiddenBy(ctx, sel, src, dir, absent)
	return reading, err
}

// absentDigest is equal for equal selections, and no other reading has it. What
// lies in a submodule is known by the submodule's commit.
func absentDigest(sel impact.Selection, absent *absentError) impact.Digest {
	parts := []string{sel.Path, absent.path}
	if absent.module != nil {
		parts = append(parts, string(absent.module.digest))
	}
	return impact.DigestOf("absent", parts...)
}

// place finds the source that a context is in, and its path there.
func (r *reader) place(dir string) (source, string) {
	if dir = clean(dir); !isAbs(dir) {
		return r.src, dir
	}
	if r.root != "" {
		if rel, ok := relative(r.root, filepath.FromSlash(dir)); ok {
			return r.src, rel
		}
	}
	return r.outside, dir
}

// scope gives the context in a folder, links to it resolved.
func (r *reader) scope(ctx context.Context, src source, dir string, patterns []string) (*scope, error) {
	key := scopeKey{src, dir, strings.Join(patterns, "\n")}
	return r.scopes.get(key, func() (*scope, error) {
		if d, ok := src.(*disk); ok && d == r.outside {
			r.outside.read.add(filepath.Dir(filepath.FromSlash(dir))) // it may be a link, or come to be
			real, err := filepath.EvalSymlinks(filepath.FromSlash(dir))
			switch {
			case missing(err):
				dir = ""
			case err != nil:
				return nil, err
			default:
				dir = filepath.ToSlash(real)
			}
			return newScope(src, dir, patterns)
		}
		if dir == "." {
			return newScope(src, dir, patterns)
		}
		top, err := r.scope(ctx, src, ".", nil)
		if err != nil {
			return nil, err
		}
		f, err := top.find(ctx, dir, true)
		if err != nil {
			return nil, err
		}
		switch {
		case f.node == nil:
			dir = ""
		case f.node.entry == nil:
			dir = "."
		case f.node.entry.git:
			dir, f.module = "", f.node.entry
		case !f.node.isDir():
			dir = ""
		default:
			dir = f.node.entry.path
		}
		s, err := newScope(src, dir, patterns)
		if err == nil && f.module != nil {
			s.module = f.module
		}
		return s, err
	})
}

// find is resolve for callers that hold no lock. A submodule that it meets is
// filled.
func (s *scope) find(ctx context.Context, p string, follow bool) (found, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.resolve(ctx, p, follow)
	if errors.Is(err, errManyLinks) {
		return found{}, nil
	}
	if err != nil {
		return found{}, err
	}
	for _, e := range []*entry{f.module, moduleOf(f.node)} {
		if e != nil {
			if err := s.src.fill(ctx, e); err != nil {
				return found{}, err
			}
		}
	}
	return f, nil
}

func moduleOf(n *node) *entry {
	if n == nil || n.entry == nil || !n.entry.git {
		return nil
	}
	return n.entry
}

// read evaluates a selection. Files are hashed without the lock, so that several
// selections can be at it.
func (s *scope) read(ctx context.Context, sel impact.Selection) (*impact.Reading, error) {
	s.mu.Lock()
	c, err := s.cover(ctx, sel)
	var entries []*entry
	if err == nil {
		for _, w := range c.parts {
			if entries, err = s.gather(ctx, w.node, w.deep, entries); err != nil {
				break
			}
		}
	}
	s.mu.Unlock()
	if absent := (*absentError)(nil); errors.As(err, &absent) && absent.module != nil {
		if err := s.src.fill(ctx, absent.module); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	if err := fillAll(ctx, s.src, entries); err != nil {
		return nil, err
	}
	s.mu.Lock()
	digest := c.digest()
	s.mu.Unlock()
	entries = append(entries, c.links...)
	reading := &impact.Reading{Digest: digest, Files: filesOf(entries), Changed: s.lastChange(sel, c, entries)}
	return reading, s.noteGit(ctx, sel, entries, reading)
}

// lastChange is when the last of some entries was changed, or the folder in which a
// selection looks for names: what came there and went leaves no other trace.
func (s *scope) lastChange(sel impact.Selection, c *cover, entries []*entry) time.Time {
	d, ok := s.src.(*disk)
	if !ok {
		return time.Time{}
	}
	var last int64
	if sel.Wildcard || path.Clean(sel.Path) == "/" {
		if fi, err := os.Lstat(d.system(path.Join(s.dir, c.prefix))); err == nil {
			last = statOf(fi).lastChange()
		}
	}
	for _, e := range entries {
		last = max(last, e.touch)
	}
	return time.Unix(0, last)
}

func filesOf(entries []*entry) []impact.File {
	files := make([]impact.File, 0, len(entries))
	for _, e := range entries {
		if !e.gone {
			files = append(files, impact.File{Path: e.path, Mode: uint32(e.mode), Digest: e.digest})
		}
	}
	slices.SortFunc(files, func(a, b impact.File) int { return strings.Compare(a.Path, b.Path) })
	return slices.CompactFunc(files, func(a, b impact.File) bool { return a.Path == b.Path })
}

// patternFault names the ignore file's line that can't be read.
func (r *reader) patternFault(ctx context.Context, ig impact.Ignore, err error) error {
	if ig.File == "" {
		return err
	}
	for i, p := range ig.Patterns {
		if _, perr := patternmatcher.New([]string{p}); perr != nil {
			return &impact.Fault{Path: ig.File, Line: r.ignoreLine(ctx, ig, i), Cause: fmt.Sprintf("invalid pattern %q: %v", p, perr)}
		}
	}
	return err
}

// absentFile is the error for a file that is not there.
func absentFile(p string) error {
	return &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
}
