package tree

import (
	"io/fs"
)

// realMode is the mode as BuildKit's file sync sends it: Windows has no
// permissions of that kind, and everything is executable (fsutil stat.go).
func realMode(fi fs.FileInfo) fs.FileMode {
	return fi.Mode()&^fs.ModePerm | (fi.Mode().Perm()|0o111)&0o755
}

func device(fs.FileInfo) string { return "" }

func fileSystem(fs.FileInfo) uint64 { return 0 }

func isNotDir(error) bool { return false }
