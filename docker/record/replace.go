package record

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/sys/atomicwriter"

	"rebuild/impact/safefile"
)

// tempPrefix marks files that a killed process may leave (atomicwriter.New).
const tempPrefix = ".tmp-"

// tempAge is how old such a file must be before it is taken for left behind: no
// write takes that long.
const tempAge = time.Hour

// ReplaceFile puts a file in place of another in one step: whoever reads it, and
// whenever the machine stops, it is the old one or the new one. Its folder is made.
// Only its owner can read it. An error names the file.
func ReplaceFile(path string, data []byte) error {
	if err := safefile.Folder(filepath.Dir(path)); err != nil {
		return err
	}
	if err := atomicwriter.WriteFile(path, data, safefile.FileMode); err != nil {
		return naming(path, err)
	}
	return nil
}

// naming gives an error about a temporary file, or about no file, the path of the one
// that was to be replaced: that means something to the user, and is the same each time.
func naming(path string, err error) error {
	var at *fs.PathError
	var rename *os.LinkError
	switch {
	case errors.As(err, &at):
		return &fs.PathError{Op: at.Op, Path: path, Err: at.Err}
	case errors.As(err, &rename):
		return &fs.PathError{Op: rename.Op, Path: path, Err: rename.Err}
	}
	return &fs.PathError{Op: "replace", Path: path, Err: err}
}

// removeTemps takes away what killed processes left in a folder.
func removeTemps(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), tempPrefix) {
			continue
		}
		info, err := entry.Info()
		if err == nil && time.Since(info.ModTime()) > tempAge {
			err = os.Remove(filepath.Join(dir, entry.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
