package tree

import (
	"maps"
	"sync"
)

// table computes one value for each key, once, however many ask for it at the
// same time. An error is not kept: the next caller tries again, because the
// context of the first may have ended.
type table[K comparable, V any] struct {
	mu   sync.Mutex
	rows map[K]*row[V] // guarded by mu
}

type row[V any] struct {
	mu    sync.Mutex
	done  bool
	value V
}

func (t *table[K, V]) get(key K, compute func() (V, error)) (V, error) {
	t.mu.Lock()
	if t.rows == nil {
		t.rows = map[K]*row[V]{}
	}
	r := t.rows[key]
	if r == nil {
		r = &row[V]{}
		t.rows[key] = r
	}
	t.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		return r.value, nil
	}
	v, err := compute()
	if err != nil {
		return v, err
	}
	r.value, r.done = v, true
	return v, nil
}

// all gives the values that are known.
func (t *table[K, V]) all() map[K]V {
	t.mu.Lock()
	rows := maps.Clone(t.rows)
	t.mu.Unlock()
	known := make(map[K]V, len(rows))
	for k, r := range rows {
		r.mu.Lock()
		if r.done {
			known[k] = r.value
		}
		r.mu.Unlock()
	}
	return known
}
