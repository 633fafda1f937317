//go:build unix

package tree

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// inSession starts a command in a session of its own. Its children (filters, what
// fetches for a partial clone) end with it, and none of them finds a terminal to ask for
// a password on.
func inSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// killSession ends a command that was started by inSession, with its children. The
// command must not have been waited for.
func killSession(p *os.Process) error {
	err := syscall.Kill(-p.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
