package impact

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
)

// Remember gives a Convert that converts an image only once for equal inputs:
// the same definition, the same text of each file that was read, and the same
// base behind each reference. Both sides of a plan share most of their images.
func Remember(convert Convert) Convert {
	m := &memory{convert: convert, traces: map[Digest][]*trace{}}
	return m.get
}

type memory struct {
	convert Convert
	mu      sync.Mutex
	traces  map[Digest][]*trace // guarded by mu: by the image's definition
}

// trace is what one conversion asked for, what it was told, and what came out.
type trace struct {
	mu    sync.Mutex
	files map[string]Digest  // guarded by mu
	bases map[baseAsk]Digest // guarded by mu
	graph *Graph
}

type baseAsk struct{ ref, platform string }

func (m *memory) get(ctx context.Context, im Image, read ReadFile, resolve Resolve) (*Graph, error) {
	dt, err := json.Marshal(im)
	if err != nil {
		return m.convert(ctx, im, read, resolve)
	}
	key := DigestOf("image", string(dt))
	m.mu.Lock()
	known := m.traces[key]
	m.mu.Unlock()
	for _, t := range known {
		ok, err := t.holds(ctx, read, resolve)
		if err != nil {
			return nil, err
		}
		if ok {
			return t.graph, nil
		}
	}
	t := &trace{files: map[string]Digest{}, bases: map[baseAsk]Digest{}}
	g, err := m.convert(ctx, im, t.read(read), t.resolve(resolve))
	if err != nil {
		return nil, err
	}
	t.graph = g
	m.mu.Lock()
	m.traces[key] = append(m.traces[key], t)
	m.mu.Unlock()
	return g, nil
}

// holds tells whether all questions would be answered as before. It asks for
// each base, so that the caller learns the image's references; the error is that a
// base is not known yet.
func (t *trace) holds(ctx context.Context, read ReadFile, resolve Resolve) (bool, error) {
	for path, d := range t.files {
		if fileDigest(read(ctx, path)) != d {
			return false, nil
		}
	}
	for ask, d := range t.bases {
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

func (t *trace) read(read ReadFile) ReadFile {
	return func(ctx context.Context, path string) ([]byte, error) {
		dt, err := read(ctx, path)
		t.mu.Lock()
		t.files[path] = fileDigest(dt, err)
		t.mu.Unlock()
		return dt, err
	}
}

func (t *trace) resolve(resolve Resolve) Resolve {
	return func(ctx context.Context, ref, platform string) (Base, error) {
		base, err := resolve(ctx, ref, platform)
		if err == nil {
			t.mu.Lock()
			t.bases[baseAsk{ref, platform}] = baseDigest(base)
			t.mu.Unlock()
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

func baseDigest(b Base) Digest { return DigestOf("base", b.Image, string(b.Key), string(b.Config)) }
