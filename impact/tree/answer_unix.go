//go:build unix

package tree

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// unread is what lies in a pipe now.
func unread(pipe *os.File) []byte {
	conn, err := pipe.SyscallConn()
	if err != nil || pipe.SetReadDeadline(time.Time{}) != nil {
		return nil
	}
	var text []byte
	_ = conn.Read(func(fd uintptr) bool { // once, as true says: it does not wait
		part := make([]byte, 64<<10)
		for {
			n, err := syscall.Read(int(fd), part)
			switch {
			case errors.Is(err, syscall.EINTR):
			case n <= 0: // EAGAIN: nothing more lies there
				return true
			default:
				text = append(text, part[:n]...)
			}
		}
	})
	return text
}
