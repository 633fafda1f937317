//go:build unix

package hooks

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// execInPlace becomes another program, with stdin as its standard input, or this one's
// when it is nil. It returns only an error.
func execInPlace(command []string, stdin []byte, env []string) error {
	if stdin != nil {
		if err := unread(stdin); err != nil {
			return fmt.Errorf("standard input of %s: %w", command[0], err)
		}
	}
	if err := syscall.Exec(command[0], command, env); err != nil {
		return fmt.Errorf("%s: %w", command[0], err)
	}
	return nil
}

// pipeHolds is what every pipe takes before somebody reads it, in bytes (pipe(7)).
const pipeHolds = 4096

// unread makes the process's standard input begin with data, and end after it.
func unread(data []byte) error {
	if len(data) > pipeHolds {
		f, err := os.CreateTemp("", "rebuild-refs-")
		if err != nil {
			return err
		}
		defer f.Close()
		if err := os.Remove(f.Name()); err != nil {
			return err
		}
		if _, err := f.Write(data); err != nil {
			return err
		}
		if _, err := f.Seek(0, 0); err != nil {
			return err
		}
		return unix.Dup2(int(f.Fd()), 0)
	}
	var ends [2]int
	if err := unix.Pipe(ends[:]); err != nil {
		return err
	}
	defer unix.Close(ends[0])
	_, err := unix.Write(ends[1], data)
	if closeErr := unix.Close(ends[1]); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return unix.Dup2(ends[0], 0)
}
