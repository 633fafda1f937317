package daemon

import (
	"os/exec"
	"syscall"
)

// detach makes a command outlive the terminal it was started from
// (DETACHED_PROCESS and CREATE_NEW_PROCESS_GROUP).
func detach(cmd *exec.Cmd) {
	const detached = 0x00000008
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: detached | syscall.CREATE_NEW_PROCESS_GROUP}
}
