package watch

import (
	"io/fs"
	"syscall"
)

// identity tells one file or folder from another; equal ones are the same, until it
// is removed: the numbers may then be used again.
type identity struct{ device, inode uint64 }

// identify gives the identity, and when the inode last changed in nanoseconds.
func identify(_ string, info fs.FileInfo) (id identity, changed int64) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}, 0
	}
	return identity{uint64(st.Dev), st.Ino}, syscall.TimespecToNsec(st.Ctimespec)
}
