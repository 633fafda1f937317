package session

import (
	"context"
	"os/exec"
)

// shellCommand runs a line in cmd.exe.
func shellCommand(ctx context.Context, line string) *exec.Cmd {
	return exec.CommandContext(ctx, "cmd", "/C", line)
}
