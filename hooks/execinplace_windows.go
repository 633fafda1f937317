package hooks

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
)

// execInPlace runs another program, with stdin as its standard input, or this one's when
// it is nil, and ends the process with its status. It returns only an error.
func execInPlace(command []string, stdin []byte, env []string) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	signal.Ignore(os.Interrupt) // the console tells it too, and it says how it ends
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", command[0], err)
	}
	os.Exit(0)
	return nil
}
