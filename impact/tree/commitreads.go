package tree

import (
	"maps"
	"sync"
)

// CommitReads is what of a commit's tree was read so far, found or not. A tree that does
// not differ in it gives the same answers to all that was asked. Paths are slash paths
// from the root, sorted; "." is the root.
type CommitReads struct {
	Folders []string // listed: which names they hold, and of which mode
	Whole   []string // those of them of which each file was read as well
	Files   []string // the others that were read; symlinks and submodules too
}

// contentRead is the content that a commit's source gave, beside the digests that its
// entries keep.
type contentRead struct {
	mu        sync.Mutex
	files     map[string]bool // guarded by mu
	converted bool            // guarded by mu: some content is not its blob's
}

func (c *contentRead) add(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files == nil {
		c.files = map[string]bool{}
	}
	c.files[path] = true
}

func (c *contentRead) addConversion() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.converted = true
}

// all gives the files, and whether some were converted.
func (c *contentRead) all() (files map[string]bool, converted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.files), c.converted
}
