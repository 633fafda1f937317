package tree

import (
	"maps"
	"slices"
	"sync"
)

// CommitLooked is what a commit's tree was asked for so far, found or not. A tree
// that does not differ in it answers all of that in the same way. Paths are slash
// paths from the root, sorted; "." is the root.
type CommitLooked struct {
	Folders []string // listed: which names they hold, and of which mode
	Whole   []string // those of them of which each file was read as well
	Files   []string // the others that were read; symlinks and submodules too
}

// Looked lists what was asked for. What a build context of the tree sent is not
// among it. ok is false when something else than the commit's objects had a part in
// the answers: files outside of the repository, or the conversion of a definition.
func (t *CommitTree) Looked() (l CommitLooked, ok bool) {
	src := t.src.(*commitSource)
	t.outside.looked.mu.Lock()
	ok = len(t.outside.looked.dirs) == 0
	t.outside.looked.mu.Unlock()
	src.told.mu.Lock()
	ok = ok && !src.told.converted
	read := maps.Clone(src.told.files)
	src.told.mu.Unlock()
	if read == nil {
		read = map[string]bool{}
	}
	for dir, entries := range src.folders.all() {
		l.Folders = append(l.Folders, dir)
		var files []string
		others := 0
		for _, e := range entries {
			switch {
			case e.isDir():
			case read[e.path] || e.isFilled():
				files = append(files, e.path)
			default:
				others++
			}
		}
		if others == 0 && len(files) > 1 {
			l.Whole = append(l.Whole, dir)
		} else {
			l.Files = append(l.Files, files...)
		}
	}
	slices.Sort(l.Folders)
	slices.Sort(l.Whole)
	slices.Sort(l.Files)
	return l, ok
}

// told is the content that a commit's source gave away, beside the digests that its
// entries keep.
type told struct {
	mu        sync.Mutex
	files     map[string]bool // guarded by mu
	converted bool            // guarded by mu: some content is not its blob's
}

func (t *told) content(path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.files == nil {
		t.files = map[string]bool{}
	}
	t.files[path] = true
}

func (t *told) conversion() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.converted = true
}
