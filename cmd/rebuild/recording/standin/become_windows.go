package standin

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
)

// execInPlace runs a program under another name, and gives its status.
func execInPlace(program string, argv, env []string) (int, error) {
	cmd := &exec.Cmd{Path: program, Args: argv, Env: env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	interrupted := make(chan os.Signal, 1) // the console tells it too, and it says how it ends
	signal.Notify(interrupted, os.Interrupt)
	defer signal.Stop(interrupted)
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return failed, err
	}
	return 0, nil
}
