//go:build unix

package daemon

import (
	"os/exec"
	"syscall"
)

// detach makes a command outlive the terminal it was started from.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
