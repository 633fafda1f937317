//go:build unix

package safefile

import "syscall"

// ended tells whether there is no process of that id.
func ended(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }
