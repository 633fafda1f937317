//go:build unix

package daemon

import (
	"io/fs"
	"os"
	"syscall"
)

// ownFolder tells whether a folder is this user's and no one else may open it.
func ownFolder(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid() && fi.Mode().Perm()&0o077 == 0
}
