//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// detach makes a command outlive the terminal it was started from.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
