package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// runGit gives the answer of a git command, without its last newline.
func runGit(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		return strings.TrimSuffix(string(out), "\n"), nil
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	line, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
	if line = strings.TrimPrefix(line, "fatal: "); line == "" {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return "", fmt.Errorf("git %s: %s: %w", args[0], line, err)
}

// exited tells whether err is git's exit with that status.
func exited(err error, status int) bool {
	exit := (*exec.ExitError)(nil)
	return errors.As(err, &exit) && exit.ExitCode() == status
}
