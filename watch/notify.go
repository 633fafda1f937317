package watch

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

// idlePause is the time between two looks that no event asks for. They find what no
// event tells: a mount over a folder, a link further away, a folder that may be read
// again. A look costs one stat for each folder, below 1 ms for 300.
const idlePause = time.Hour

// notify learns what happens from events.
//
// fsnotify keeps one path for each folder, and drops a watch by itself when the
// folder is removed or renamed. So one path of each folder is given to it (placed),
// and an event there is one under every name of the folder.
type notify struct {
	src   *source
	hints *hints
	again chan struct{} // holds one: a look is due
	done  chan struct{} // closed when the drain has ended

	// For Run's goroutine alone.
	set    []string
	known  map[string]identity // folders of the set that are watched, under any name
	placed map[string]identity // the paths that fsnotify has
	probed string              // where the probe was made, "" when nothing is waited for
	tried  bool                // the probe was made
	until  time.Time           // when the probe's event must have come

	heard atomic.Bool          // the probe's event has come
	scene atomic.Pointer[view] // what the drain goes by

	mu    sync.Mutex // guards all fields below
	ended map[string]bool
	lost  bool
}

// view says what events mean. It is never changed, but replaced as a whole, before
// the first watch that it speaks of is placed.
type view struct {
	set    map[string]bool     // what happens to them and in them is reported
	wanted map[string]bool     // the set and the lookouts: what happens to them asks for a look
	names  map[string][]string // all paths of the folder that was placed under one
}

// newNotify opens the source of events and drains it until close; errors as of open.
func newNotify(open func() (*source, error), h *hints) (*notify, error) {
	src, err := open()
	if err != nil {
		return nil, err
	}
	n := &notify{
		src: src, hints: h, again: make(chan struct{}, 1), done: make(chan struct{}),
		known: map[string]identity{}, placed: map[string]identity{}, ended: map[string]bool{},
	}
	n.scene.Store(&view{})
	go n.drain()
	return n, nil
}

func (n *notify) woken() <-chan struct{} { return n.again }

func (n *notify) present() int { return len(n.known) }

func (n *notify) pause(time.Duration) time.Duration {
	if n.probed != "" {
		return min(idlePause, time.Until(n.until))
	}
	return idlePause
}

func (n *notify) close() {
	_ = n.src.close() // it is given up either way
	<-n.done
}

// drain does nothing but take events, so that the system's queue stays short.
func (n *notify) drain() {
	defer close(n.done)
	errs := n.src.errors
	for {
		select {
		case e, ok := <-n.src.events:
			if !ok {
				return
			}
			n.event(e)
		case _, ok := <-errs:
			if !ok {
				errs = nil
				continue
			}
			// An overflow, or an error of reading: what it was about is not known, and a
			// watch may have ended unseen.
			n.heard.Store(true) // the probe's event may be among the lost
			n.mu.Lock()
			n.lost = true
			n.mu.Unlock()
			n.hints.lose()
			poke(n.again)
		}
	}
}

func (n *notify) event(e fsnotify.Event) {
	path := filepath.Clean(e.Name)
	if isProbe(path) {
		n.heard.Store(true)
		return
	}
	v := n.scene.Load()
	// The folder may have been made again with the same inode: the event is all that
	// tells it from the one before.
	if _, ok := v.names[path]; ok && e.Has(fsnotify.Remove|fsnotify.Rename) {
		n.mu.Lock()
		n.ended[path] = true
		n.mu.Unlock()
	}
	n.happened(v, path)
	for _, name := range v.names[path] {
		n.happened(v, name)
	}
	dir, base := filepath.Split(path)
	for _, name := range v.names[filepath.Clean(dir)] {
		n.happened(v, filepath.Join(name, base))
	}
}

func (n *notify) happened(v *view, path string) {
	if v.set[path] || v.set[filepath.Dir(path)] {
		n.hints.add(path)
	}
	if v.wanted[path] {
		poke(n.again)
	}
}

func (n *notify) watch(ctx context.Context, set []string) error {
	n.set = set
	if err := n.look(ctx); err != nil || n.tried {
		return err
	}
	n.tried, n.until = true, time.Now().Add(probeTime)
	n.probed = probe(set)
	return nil
}
