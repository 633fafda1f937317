package impact

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
)

// Remember gives a Convert that converts an image only once for equal inputs:
// the same definition, the same text of each file that was read, and the same
// base behind each reference. Both sides of a plan share most of their images.
func Remember(convert Convert) Convert {
	m := &memo{convert: convert, conversions: map[string][]*conversion{}}
	return m.get
}

type memo struct {
	convert     Convert
	mu          sync.Mutex
	conversions map[string][]*conversion // guarded by mu: by the image's name, the newest last
}

// mostConversions bounds what is kept of an image: the two sides of a plan, and some to
// which an edit may lead back. A daemon sees thousands. About 50 kB each.
const mostConversions = 8

// conversion is what one conversion asked for, what it was answered, and what came out.
type conversion struct {
	definition Digest // of the image
	graph      *Graph

	mu    sync.Mutex // guards what follows as long as the conversion runs
	files map[string]Digest
	bases map[baseAsk]Digest
}

type baseAsk struct{ ref, platform string }

func (m *memo) get(ctx context.Context, im Image, read ReadFile, resolve Resolve) (*Graph, error) {
	definition := DigestOf("image", imageText(im))
	m.mu.Lock()
	known := m.conversions[im.Name]
	m.mu.Unlock()
	for _, c := range known {
		if c.definition != definition {
			continue
		}
		ok, err := c.comesOutTheSame(ctx, read, resolve)
		if err != nil {
			return nil, err
		}
		if ok {
			return c.graph, nil
		}
	}
	c := &conversion{definition: definition, files: map[string]Digest{}, bases: map[baseAsk]Digest{}}
	g, err := m.convert(ctx, im, c.read(read), c.resolve(resolve))
	if err != nil {
		return nil, err
	}
	c.graph = g
	m.mu.Lock()
	// A copy, since somebody may be reading the old list.
	all := append(slices.Clone(m.conversions[im.Name]), c)
	m.conversions[im.Name] = all[max(0, len(all)-mostConversions):]
	m.mu.Unlock()
	return g, nil
}

// comesOutTheSame tells whether all questions would be answered as before. It asks for
// each base, so that the caller learns the image's references; the error is that a
// base is not known yet.
func (c *conversion) comesOutTheSame(ctx context.Context, read ReadFile, resolve Resolve) (bool, error) {
	for path, d := range c.files {
		if fileDigest(read(ctx, path)) != d {
			return false, nil
		}
	}
	for ask, d := range c.bases {
		base, err := resolve(ctx, ask.ref, ask.platform)
		if pending := (*Pending)(nil); errors.As(err, &pending) {
			return false, err
		}
		if err != nil || baseDigest(base) != d {
			return false, nil
		}
	}
	return true, nil
}

func (c *conversion) read(read ReadFile) ReadFile {
	return func(ctx context.Context, path string) ([]byte, error) {
		dt, err := read(ctx, path)
		c.mu.Lock()
		c.files[path] = fileDigest(dt, err)
		c.mu.Unlock()
		return dt, err
	}
}

func (c *conversion) resolve(resolve Resolve) Resolve {
	return func(ctx context.Context, ref, platform string) (Base, error) {
		base, err := resolve(ctx, ref, platform)
		if err == nil {
			c.mu.Lock()
			c.bases[baseAsk{ref, platform}] = baseDigest(base)
			c.mu.Unlock()
		}
		return base, err
	}
}

func fileDigest(dt []byte, err error) Digest {
	if err != nil {
		return DigestOf("no file", err.Error())
	}
	return DigestOf("file", string(dt))
}

func baseDigest(b Base) Digest {
	return DigestOf("base", b.Image, string(b.Key), string(b.Config), strconv.FormatBool(b.Unjudged))
}
