//go:build unix

package safefile

import "syscall"

// nonblocking keeps the opening of a FIFO from waiting for a writer.
const nonblocking = syscall.O_NONBLOCK
