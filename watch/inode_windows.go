package watch

import (
	"io/fs"
	"syscall"
)

// identity tells one file or folder from another. What Lstat gives here holds no
// number of the file, so it is the path, and when that was made.
type identity struct {
	path string
	made int64
}

// identify gives the identity; when an inode last changed is not known here.
func identify(path string, info fs.FileInfo) (id identity, changed int64) {
	id = identity{path: path}
	if data, ok := info.Sys().(*syscall.Win32FileAttributeData); ok {
		id.made = data.CreationTime.Nanoseconds()
	}
	return id, 0
}
