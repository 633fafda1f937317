package docker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// tempPrefix marks files that a killed process may leave.
const tempPrefix = ".new-"

// tempAge is how old such a file must be before it is taken for left behind: no
// write takes that long.
const tempAge = time.Hour

// replaceFile puts a file in place of another in one step: whoever reads it, and
// whenever the machine stops, it is the old one or the new one.
func replaceFile(path string, data []byte) error { return swapFile(path, data, (*os.File).Sync) }

// replaceBriefly is replaceFile for what means nothing after the machine stopped: it
// does not wait for the disk.
func replaceBriefly(path string, data []byte) error {
	return swapFile(path, data, func(*os.File) error { return nil })
}

func swapFile(path string, data []byte, sync func(*os.File) error) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, tempPrefix+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp.Name()) // the error that led here counts
			err = naming(path, err)
		}
	}()
	_, err = temp.Write(data)
	if err == nil {
		err = sync(temp)
	}
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

// naming gives an error about a temporary file the path of the one that it was to
// replace: that means something to the user, and is the same each time.
func naming(path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return &fs.PathError{Op: at.Op, Path: path, Err: at.Err}
	}
	return err
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
