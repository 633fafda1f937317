package safefile

import (
	"os"
	"path/filepath"
)

// Modes of what this program keeps for itself: values of build arguments and the names of
// files are nobody else's business.
const (
	FolderMode = 0o700
	FileMode   = 0o600
)

// Folder makes a folder of this program's own, and those above it. Only the user may look
// into it, whatever the umask.
func Folder(dir string) error {
	if err := os.MkdirAll(dir, FolderMode); err != nil {
		return err
	}
	fi, err := os.Stat(dir)
	if err != nil || fi.Mode().Perm() == FolderMode {
		return err
	}
	return os.Chmod(dir, FolderMode)
}

// Open opens a file of this program's own, as os.OpenFile does, and makes its folder.
// Only the user may read it, whatever the umask and whoever made it.
func Open(name string, flag int) (*os.File, error) {
	if err := Folder(filepath.Dir(name)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, flag|nonblocking, FileMode)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && fi.Mode().IsRegular() && fi.Mode().Perm() != FileMode {
		err = f.Chmod(FileMode)
	}
	if err != nil {
		_ = f.Close() // the error that led here counts
		return nil, err
	}
	return f, nil
}

// Write makes a file of this program's own, or writes it anew.
func Write(name string, data []byte) error {
	f, err := Open(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
