//go:build unix

package session

import (
	"context"
	"os/exec"
	"syscall"
)

// shellCommand runs a line in a shell, in a process group of its own: when ctx ends,
// all of it is told to.
func shellCommand(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	return cmd
}
