package main

import (
	"context"
	"path/filepath"
	"sync"

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
	records *docker.Records

	once   sync.Once
	images docker.Images
	err    error // why the engine could not be asked

	mu      sync.Mutex
	bases   map[string]impact.Base // guarded by mu
	assumed []string               // guarded by mu: references that nobody has seen
}

// openMemory connects to the engine. With need the engine must answer; without,
// the records of the one used last serve.
func (w *workspace) openMemory(ctx context.Context, need bool) (*memory, error) {
	engine, err := docker.Connect(ctx, docker.Options{Host: w.flags.host, Context: w.flags.dockerContext, Builder: w.flags.builder})
	if err != nil {
		return nil, err
	}
	m := &memory{engine: engine, dir: filepath.Join(w.state, "records"), bases: map[string]impact.Base{}}
	if id := docker.LastEngine(m.dir); id != "" && !need {
		m.records = docker.OpenRecords(m.dir, id)
		return m, nil
	}
	id, err := engine.ID(ctx)
	if err != nil {
		if need {
			return nil, err
		}
		m.err, id = err, "none"
	}
	m.records = docker.OpenRecords(m.dir, id)
	return m, nil
}

// remember notes the engine for plans without one.
func (m *memory) remember(ctx context.Context) error {
	id, err := m.engine.ID(ctx)
	if err != nil {
		return err
	}
	return docker.UseEngine(m.dir, id)
}

// held lists what the engine holds, asked once.
func (m *memory) held(ctx context.Context) (docker.Images, error) {
	m.once.Do(func() {
		if m.err == nil {
			m.images, m.err = m.engine.Images(ctx)
		}
	})
	return m.images, m.err
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
		if !b.Known {
			m.assumed = append(m.assumed, ref)
		}
		m.bases[ref] = b
		return b, nil
	}
}

func (m *memory) base(ctx context.Context, ref, platform string, live bool) impact.Base {
	if !live {
		if im, ok := m.records.Base(ref); ok {
			return knownBase(im)
		}
	}
	held, err := m.held(ctx)
	if err != nil {
		if im, ok := m.records.Base(ref); ok {
			return knownBase(im)
		}
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
