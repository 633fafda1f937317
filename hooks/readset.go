package hooks

import "path"

// Git's mode of a folder.
const modeFolder = "040000"

// change is how two trees differ at one path, as git diff-tree --raw -t says. The mode
// of what is not there is zeros.
type change struct {
	path          string
	before, after string // modes, octal
}

// readSet is what a check read, to compare changes with.
type readSet struct{ folders, whole, files map[string]bool }

func newReadSet(t *Trace) readSet {
	return readSet{set(t.Folders), set(t.Whole), set(t.Files)}
}

func set(list []string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, s := range list {
		m[s] = true
	}
	return m
}

// touchedBy tells whether a change is one of what the check read.
func (r readSet) touchedBy(c change) bool {
	dir := path.Dir(c.path)
	switch {
	case path.Base(c.path) == ".gitattributes":
		return true // what it says counts for files that it does not name
	case c.before != c.after:
		return r.folders[dir]
	case c.before == modeFolder:
		return false // the change is one in it, which is listed too
	}
	return r.whole[dir] || r.files[c.path]
}
