package impact

// ChangeKind says how a path differs.
type ChangeKind string

// The ways in which a path differs.
const (
	Added    ChangeKind = "added"
	Removed  ChangeKind = "removed"
	Modified ChangeKind = "modified" // its content, its mode or its type
)

// Change is one path that differs between two trees.
type Change struct {
	Path   string     `json:"path"` // slash path from the root of the tree
	Change ChangeKind `json:"change"`
}

// Diff lists the paths that differ between two lists of files, each sorted by
// path. A folder that is only there for what it holds is not named.
func Diff(before, after []File) []Change {
	var changes []Change
	add := func(f File, change ChangeKind) { changes = append(changes, Change{f.Path, change}) }
	i, j := 0, 0
	for i < len(before) || j < len(after) {
		switch {
		case j == len(after) || i < len(before) && before[i].Path < after[j].Path:
			if !holdsNext(before, i) {
				add(before[i], Removed)
			}
			i++
		case i == len(before) || after[j].Path < before[i].Path:
			if !holdsNext(after, j) {
				add(after[j], Added)
			}
			j++
		default:
			if before[i].Mode != after[j].Mode || before[i].Digest != after[j].Digest {
				add(after[j], Modified)
			}
			i++
			j++
		}
	}
	return changes
}

// holdsNext tells whether the entry at i is a folder that holds a later entry.
func holdsNext(files []File, i int) bool {
	const dir = 1 << 31 // os.ModeDir
	if files[i].Mode&dir == 0 {
		return false
	}
	for _, f := range files[i+1:] {
		if len(f.Path) > len(files[i].Path) && f.Path[:len(files[i].Path)] == files[i].Path && f.Path[len(files[i].Path)] == '/' {
			return true
		}
		if f.Path > files[i].Path+"0" { // past everything below it: '0' follows '/'
			return false
		}
	}
	return false
}
