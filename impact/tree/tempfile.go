package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rebuild/impact/safefile"
)

// Temporary files in the folder of the stat cache begin with one of these.
const (
	newPrefix   = ".new-"   // a file that is to replace another
	clockPrefix = ".clock-" // see clock
	modePrefix  = ".mode-"  // see keepsModes
)

// leftAfter is the age at which a temporary file was left by a process that was killed:
// none is needed that long.
const leftAfter = time.Hour

// replaceFile replaces a file in one step, so that a reader sees the old or the new one.
// It does not wait for the disk, as moby/sys/atomicwriter would (2 ms where nothing else
// is written, seconds beside a build): what is lost when the machine stops is a cache,
// with a checksum.
func replaceFile(file string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), newPrefix+"*")
	if err != nil {
		return naming(file, err)
	}
	_, err = f.Write(data)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the error that led here counts
	}
	return naming(file, err)
}

// naming gives an error about a temporary file the path of the one that is meant, whose
// name is the same each time.
func naming(file string, err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return &fs.PathError{Op: at.Op, Path: file, Err: at.Err}
	}
	if at := (*os.LinkError)(nil); errors.As(err, &at) {
		return &fs.PathError{Op: at.Op, Path: file, Err: at.Err}
	}
	return err
}

// clock asks the file system for the time, because a server's may differ from
// ours. Zero when the folder can't be written.
func clock(dir string) time.Time {
	if err := safefile.Folder(dir); err != nil {
		return time.Time{}
	}
	f, err := os.CreateTemp(dir, clockPrefix+"*")
	if err != nil {
		return time.Time{}
	}
	defer func() {
		_ = f.Close() // nothing was written to it
		_ = os.Remove(f.Name())
	}()
	fi, err := f.Stat()
	if err != nil {
		return time.Time{}
	}
	return fi.ModTime()
}

// keepsModes tells whether the file system of a folder has executable bits, by a file
// that is made there, as git does when it makes a repository (init-db.c). Where none can
// be made it is taken to have them.
func keepsModes(dir string) bool {
	f, err := os.CreateTemp(dir, modePrefix+"*")
	if err != nil {
		return true
	}
	name := f.Name()
	defer func() {
		_ = f.Close() // nothing was written to it
		_ = os.Remove(name)
	}()
	for _, mode := range []fs.FileMode{0o700, 0o600} {
		if os.Chmod(name, mode) != nil {
			return false
		}
		if fi, err := os.Lstat(name); err != nil || fi.Mode().Perm()&0o100 != mode&0o100 {
			return false
		}
	}
	return true
}

// sweep removes the temporary files that killed processes left in a folder. What cannot
// be removed stays: it is in nobody's way.
func sweep(dir string, now time.Time) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		temporary := func(prefix string) bool { return strings.HasPrefix(e.Name(), prefix) }
		if !slices.ContainsFunc([]string{newPrefix, clockPrefix, modePrefix}, temporary) {
			continue
		}
		if fi, err := e.Info(); err == nil && now.Sub(fi.ModTime()) > leftAfter {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
