package hooks

import (
	"io/fs"
	"os"
)

// longest is what is read of a file at most, in bytes: far more than a definition or a trace
// holds.
const longest = 64 << 20

// readRegular reads a regular file of bounded size. What is none would hold a push up: a
// FIFO that nobody writes to, a device without an end.
func readRegular(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > longest {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrInvalid}
	}
	return os.ReadFile(path)
}
