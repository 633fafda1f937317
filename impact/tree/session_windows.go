package tree

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// inSession keeps what a console tells its programs (Ctrl-C) from a command: this
// program ends it.
func inSession(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// killSession ends a command with its children (filters, what fetches for a partial
// clone). The command must not have been waited for.
func killSession(p *os.Process) error {
	if err := exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(p.Pid)).Run(); err == nil {
		return nil
	}
	return p.Kill()
}
