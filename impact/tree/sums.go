package tree

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"io/fs"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"rebuild/impact"
)

// sum is the digest of a record: a file, a symlink, a folder's header, or a folder
// with its content. Two are equal when those of cache/contenthash are.
type sum [sha256.Size]byte

// gather lists the entries that a part's digest needs.
func (s *scope) gather(ctx context.Context, n *node, deep bool, entries []*entry) ([]*entry, error) {
	if n.entry != nil {
		entries = append(entries, n.entry)
	}
	if !deep || !n.isDir() {
		return entries, nil
	}
	err := s.each(ctx, n, func(k *node) (err error) {
		entries, err = s.gather(ctx, k, true, entries)
		return err
	})
	return entries, err
}

// fillAll completes entries on all processors.
func fillAll(ctx context.Context, src source, entries []*entry) error {
	const chunk = 64 // entries a task: more than a task costs, few enough to spread
	if len(entries) <= chunk {
		for _, e := range entries {
			if err := src.fill(ctx, e); err != nil {
				return err
			}
		}
		return nil
	}
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for len(entries) > 0 {
		n := min(chunk, len(entries))
		some := entries[:n]
		entries = entries[n:]
		eg.Go(func() error {
			for _, e := range some {
				if err := src.fill(ctx, e); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return eg.Wait()
}

// list is a hash over paths with their sums. A folder's record is one, and so is
// a selection of several paths; a flat folder gives the same either way.
type list struct{ h hash.Hash }

func newList() list { return list{sha256.New()} }

func (l list) add(key string, d sum) {
	var size [binary.MaxVarintLen64]byte
	l.h.Write(size[:binary.PutUvarint(size[:], uint64(len(key)))])
	l.h.Write([]byte(key))
	l.h.Write(d[:])
}

func (l list) sum() (d sum) {
	l.h.Sum(d[:0])
	return d
}

// record is the sum of all that a node stands for. Its entries are filled.
func (n *node) record() sum {
	if n.summed {
		return n.sum
	}
	n.sum, n.summed = n.compute(), true
	return n.sum
}

func (n *node) compute() sum {
	if !n.isDir() {
		return n.header()
	}
	l := newList()
	l.add("/", n.header())
	for _, k := range n.kids {
		if k.there && !k.entry.gone && !k.entry.own {
			l.add("/"+k.entry.name(), k.record())
		}
	}
	return l.sum()
}

// header is the sum of a file or symlink, and that of a folder without what is in
// it.
func (n *node) header() sum {
	if n.entry == nil {
		return sum{} // a context's own mode is not sent
	}
	e := n.entry
	var b [8]byte
	binary.BigEndian.PutUint32(b[:], uint32(e.mode))
	h := sha256.New()
	switch {
	case e.git:
		h.Write([]byte("module\x00"))
	case e.kind == fs.ModeSymlink:
		h.Write([]byte("symlink\x00"))
	case e.isDir():
		h.Write([]byte("folder\x00"))
	default:
		h.Write([]byte("file\x00"))
	}
	h.Write(b[:4])
	h.Write([]byte(e.digest))
	var d sum
	h.Sum(d[:0])
	return d
}

// digest is that of the whole selection. All its entries are filled.
func (c *cover) digest() impact.Digest {
	var parts []*part
	for _, w := range c.parts {
		if w.node.entry == nil || !w.node.entry.gone {
			parts = append(parts, w)
		}
	}
	var d sum
	if c.alone && len(parts) == 1 {
		d = parts[0].sum()
	} else {
		l := newList()
		for _, w := range parts {
			key := strings.TrimPrefix(w.path, c.prefix)
			if key == "" {
				key = "/"
			}
			l.add(key, w.sum())
		}
		d = l.sum()
	}
	if c.behind && len(parts) > 0 {
		l := newList()
		l.add("behind a link", d)
		d = l.sum()
	}
	return impact.Digest("sha256:" + hex.EncodeToString(d[:]))
}

func (w *part) sum() sum {
	if w.deep {
		return w.node.record()
	}
	return w.node.header()
}
