//go:build !windows

package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// realMode is the mode as BuildKit's file sync sends it.
func realMode(fi fs.FileInfo) fs.FileMode { return fi.Mode() }

// device gives a device's number.
func device(fi fs.FileInfo) string {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || fi.Mode()&fs.ModeDevice == 0 {
		return ""
	}
	return fmt.Sprint(st.Rdev)
}

// fileSystem tells the file systems of files apart.
func fileSystem(fi fs.FileInfo) uint64 {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return uint64(st.Dev)
}

func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
