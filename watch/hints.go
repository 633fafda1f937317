package watch

import "sync"

// hints holds what was seen until it is taken. Adding never waits, so who drains
// events never does.
type hints struct {
	more chan struct{} // holds one: something was added since the last take

	mu    sync.Mutex // guards all fields below
	paths map[string]struct{}
	lost  bool
}

func newHints() *hints {
	return &hints{more: make(chan struct{}, 1), paths: map[string]struct{}{}}
}

// add says that something happened at a path.
func (h *hints) add(path string) {
	h.mu.Lock()
	h.paths[path] = struct{}{}
	h.mu.Unlock()
	poke(h.more)
}

// lose says that events were lost.
func (h *hints) lose() {
	h.mu.Lock()
	h.lost = true
	h.mu.Unlock()
	poke(h.more)
}

// take gives what was added since the last take; the map is the caller's.
func (h *hints) take() (paths map[string]struct{}, lost bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	paths, lost = h.paths, h.lost
	h.paths, h.lost = map[string]struct{}{}, false
	return paths, lost
}

// poke fills a channel that holds one, which wakes its reader once.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
