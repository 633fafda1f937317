package tree

import (
	"maps"
	"path/filepath"
	"slices"
	"sync"
)

// looked remembers where on the disk a tree looked for something, found or not.
type looked struct {
	mu   sync.Mutex
	dirs map[string]bool // guarded by mu: by the system's paths
}

// in notes that a folder was listed, or something sought in it.
func (l *looked) in(dir string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dirs == nil {
		l.dirs = map[string]bool{}
	}
	l.dirs[dir] = true
}

// Looked lists the folders that the tree listed so far, or in which it sought a
// file, as absolute system paths, sorted. Nothing outside them has a part in what
// the tree told; folders among them may not exist. Who wants to know when to look
// again watches these.
func (w *Worktree) Looked() []string {
	dirs := map[string]bool{w.root: true}
	for _, d := range []*disk{w.disk, w.outside} {
		d.looked.mu.Lock()
		for dir := range d.looked.dirs {
			dirs[filepath.Clean(dir)] = true
		}
		d.looked.mu.Unlock()
	}
	return slices.Sorted(maps.Keys(dirs))
}
