// Package safefile reads files that a stranger may name, and keeps files that are the
// user's alone. It imports the standard library only.
package safefile

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
)

// Limits of what is read whole, in bytes. Each is far above what people write by hand or
// programs generate, and far below what a machine could not hold several of.
const (
	Text   = 16 << 20  // a definition, Dockerfile, ignore or configuration file
	Record = 256 << 20 // what this program wrote: a record, a list of files, a cache
)

// Read reads a regular file, or what a link to one leads to. It never blocks and never
// goes on without end: a FIFO, device, socket or folder is an error that says so and is
// fs.ErrInvalid, and so is a file of more than limit bytes. Errors are *fs.PathError and
// hold nothing of the text.
func Read(name string, limit int64) ([]byte, error) {
	f, size, err := open(name, limit)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, 0, size+1) // one more, so that the end is seen at once
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > limit:
			return nil, tooLarge(name, limit)
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, err
		}
	}
}

// Follow opens a regular file, of any size, that somebody may still write to; errors are as
// those of Read. The caller closes it.
func Follow(name string) (*os.File, error) {
	f, _, err := open(name, math.MaxInt64)
	return f, err
}

func open(name string, limit int64) (f *os.File, size int64, err error) {
	fi, err := os.Stat(name) // opening some devices does something
	if err != nil {
		return nil, 0, err
	}
	if err := readable(name, fi, limit); err != nil {
		return nil, 0, err
	}
	if f, err = os.OpenFile(name, os.O_RDONLY|nonblocking, 0); err != nil {
		return nil, 0, err
	}
	if fi, err = f.Stat(); err == nil { // it may be another one by now
		err = readable(name, fi, limit)
	}
	if err != nil {
		_ = f.Close() // the error that led here counts
		return nil, 0, err
	}
	return f, fi.Size(), nil
}

func readable(name string, fi fs.FileInfo, limit int64) error {
	switch {
	case !fi.Mode().IsRegular():
		return &fs.PathError{Op: "read", Path: name, Err: NotRegular(fi.Mode())}
	case fi.Size() > limit:
		return tooLarge(name, limit)
	}
	return nil
}

func tooLarge(name string, limit int64) error {
	return &fs.PathError{Op: "read", Path: name, Err: TooLarge(limit)}
}

// invalid is why a file cannot be read; it is fs.ErrInvalid.
type invalid string

func (e invalid) Error() string        { return string(e) }
func (e invalid) Is(target error) bool { return target == fs.ErrInvalid }

// TooLarge is the reason for an error about a file of more than so many bytes; it is
// fs.ErrInvalid.
func TooLarge(limit int64) error {
	return invalid(fmt.Sprintf("it is larger than %d MiB", limit>>20))
}

// NotRegular is the reason for an error about what cannot be read as a file; it is
// fs.ErrInvalid.
func NotRegular(mode fs.FileMode) error {
	what := "no regular file"
	switch {
	case mode.IsDir():
		what = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		what = "a FIFO, not a file"
	case mode&fs.ModeSocket != 0:
		what = "a socket, not a file"
	case mode&fs.ModeDevice != 0:
		what = "a device, not a file"
	}
	return invalid("it is " + what)
}
