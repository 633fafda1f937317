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

// sight is a trace to hold changes against.
type sight struct{ folders, whole, files map[string]bool }

func (t *Trace) sight() sight {
	return sight{set(t.Folders), set(t.Whole), set(t.Files)}
}

func set(list []string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, s := range list {
		m[s] = true
	}
	return m
}

// sees tells whether the check saw what a change changes.
func (s sight) sees(c change) bool {
	dir := path.Dir(c.path)
	switch {
	case path.Base(c.path) == ".gitattributes":
		return true // what it says counts for files that it does not name
	case c.before != c.after:
		return s.folders[dir]
	case c.before == modeFolder:
		return false // the change is one in it, which is listed too
	}
	return s.whole[dir] || s.files[c.path]
}
