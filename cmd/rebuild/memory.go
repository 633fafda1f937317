package main

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"rebuild/docker"
	"rebuild/impact"
	"rebuild/impact/llb"
)

// memory is what is known of one engine: its records, and the images that it
// holds. For a plan that needs no engine it is asked only when a base image was
// never seen.
type memory struct {
	engine  *docker.Engine
	dir     string // of the records of all engines
	id      string // of the engine whose records these are
	records *docker.Records

	began time.Time // before the engine was asked anything

	// held lists what the engine holds, asked once.
	held func() (docker.Images, error)

	mu      sync.Mutex
	bases   map[string]impact.Base // guarded by mu
	assumed []string               // guarded by mu: references that nobody was there to ask about
}

// connect prepares the connection to the engine that the flags name, and with ask
// begins to ask it what it is and holds: the answers take longer than all else of a
// plan.
func connect(ctx context.Context, f *flags, ask bool) (*memory, error) {
	engine, err := docker.Connect(ctx, docker.Options{Host: f.host, Context: f.dockerContext, Builder: f.builder})
	if err != nil {
		return nil, err
	}
	m := &memory{engine: engine, began: time.Now(), bases: map[string]impact.Base{}}
	m.held = sync.OnceValues(func() (docker.Images, error) { return engine.Images(ctx) })
	if ask {
		go func() { _, _ = engine.ID(ctx) }() // asked again, it answers at once
		go func() { _, _ = m.held() }()
	}
	return m, nil
}

// open finds the records of the engine: of the one used last, which confirm makes
// sure of, since its answer takes as long as a whole plan. Without one the engine
// must say who it is; if it cannot, there are no records.
func (m *memory) open(ctx context.Context, w *workspace) {
	m.dir = filepath.Join(w.state, "records")
	m.id = docker.LastEngine(m.dir)
	if m.id == "" {
		id, err := m.engine.ID(ctx)
		if err != nil {
			m.held = func() (docker.Images, error) { return docker.Images{}, err }
			id = "none"
		}
		m.id = id
	}
	m.records = docker.OpenRecords(m.dir, m.id)
}

// confirm asks the engine who it is. When it is not the one whose records were
// opened, those of the right one are, and what was made of the others is void.
func (m *memory) confirm(ctx context.Context) (same bool, err error) {
	id, err := m.engine.ID(ctx)
	if err != nil || id == m.id {
		return true, err
	}
	m.id, m.records = id, docker.OpenRecords(m.dir, id)
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.bases)
	m.assumed = nil
	return false, nil
}

// again forgets what the engine held: another run may have changed it.
func (m *memory) again(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.bases)
	m.began = time.Now()
	m.held = sync.OnceValues(func() (docker.Images, error) { return m.engine.Images(ctx) })
}

// external says what a reference from outside the catalog stands for, as it was
// last seen; asking the engine only when it was never seen, or when live is set.
func (m *memory) external(live bool) impact.Resolve {
	return func(ctx context.Context, ref, platform string) (impact.Base, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if b, ok := m.bases[ref]; ok {
			return b, nil
		}
		b := m.base(ctx, ref, platform, live)
		if !b.Known && ctx.Err() != nil {
			// The frontend asks for several images at once and, when one of them is no
			// answer yet, gives up the others: that nothing was learnt must not be
			// remembered. The cause is the error of that one, to which the frontend adds
			// where it came from: it is not ours to give to another.
			return impact.Base{}, ctx.Err()
		}
		m.bases[ref] = b
		return b, nil
	}
}

// base is called with mu held.
func (m *memory) base(ctx context.Context, ref, platform string, live bool) impact.Base {
	if !live {
		if im, ok := m.records.Base(ref); ok {
			return knownBase(im)
		}
	}
	held, err := m.held()
	if err != nil {
		if im, ok := m.records.Base(ref); ok {
			return knownBase(im)
		}
		m.assumed = append(m.assumed, ref)
		return llb.AssumedBase(ref, platform)
	}
	id := held.ID(ref)
	if id == "" {
		return llb.AssumedBase(ref, platform)
	}
	if im, ok := m.records.BaseByID(id); ok {
		_ = m.records.PutBase(ref, im) // a memory that is not kept costs a call, no more
		return knownBase(im)
	}
	im, err := m.engine.Inspect(ctx, id)
	if err != nil {
		return llb.AssumedBase(ref, platform)
	}
	_ = m.records.PutBase(ref, im)
	return knownBase(im)
}

func knownBase(im docker.Image) impact.Base {
	key := impact.DigestOf("chain", im.Chain...)
	return impact.Base{Config: llb.BaseConfig(im.Config, key), Key: key, Known: true}
}
