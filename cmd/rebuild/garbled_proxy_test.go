//go:build linux

package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
)

// damage is done to the engine's answers once so many bytes of them have passed, over
// all connections.
type damage struct {
	kind string // cut, flip, repeat or insert; what only leaves bytes out has both sides wait
	with []byte

	mu   sync.Mutex // guards all below
	left int        // bytes until it is done
	done bool
	cut  bool
}

func newDamage(r *rand.Rand, m *mutator) *damage {
	d := &damage{kind: pick(r, []string{"cut", "cut", "flip", "flip", "repeat", "insert"}), left: r.IntN(1 << r.IntN(16))}
	d.with = make([]byte, 1+r.IntN(1<<r.IntN(8)))
	for i := range d.with {
		d.with[i] = byte(r.Uint32())
	}
	m.did = append(m.did, fmt.Sprintf("the engine's answers: %s after %d bytes", d.kind, d.left))
	return d
}

// garble has the answers of later connections damaged; nil: not any more. Connections of
// before end.
func (p *proxy) garble(d *damage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = nil
	if d != nil {
		p.answers = func(from io.Reader) io.Reader { return &damaged{from, d} }
	}
	for c := range p.conns {
		_ = c.Close()
	}
}

// damaged is the answers of one connection.
type damaged struct {
	from io.Reader
	*damage
}

// Read implements io.Reader.
func (d *damaged) Read(b []byte) (int, error) {
	n, err := d.from.Read(b[:max(1, len(b)/2)]) // there is room for more
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cut {
		return 0, io.EOF
	}
	if d.done || n == 0 {
		return n, err
	}
	if d.left -= n; d.left >= 0 {
		return n, err
	}
	at := n + d.left // where it is done
	d.done = true
	if d.kind == "cut" {
		d.cut = true
		return at, io.EOF
	}
	rest := append([]byte(nil), b[at:n]...)
	switch d.kind {
	case "flip":
		for i := range min(len(rest), len(d.with)) {
			rest[i] ^= d.with[i]
		}
	case "repeat":
		rest = append(rest[:min(len(rest), len(d.with)):len(rest)], rest...)
	case "insert":
		rest = append(append([]byte(nil), d.with...), rest...)
	}
	return at + copy(b[at:], rest), err
}
