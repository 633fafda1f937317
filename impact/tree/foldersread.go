package tree

import (
	"maps"
	"slices"
	"sync"
)

// foldersRead are the folders of the disk in which a tree sought something, found or not.
type foldersRead struct {
	mu   sync.Mutex
	dirs map[string]bool // guarded by mu: by the system's paths
}

// add notes that a folder was listed, or something sought in it.
func (f *foldersRead) add(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dirs == nil {
		f.dirs = map[string]bool{}
	}
	f.dirs[dir] = true
}

func (f *foldersRead) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.dirs))
}
