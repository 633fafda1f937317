package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rebuild/cmd/rebuild/terminal"
	"rebuild/impact/tree"
)

// readyPoll is how soon a daemon in the background is seen to answer.
const readyPoll = 20 * time.Millisecond

// runDetached starts the daemon in the background, and waits until it answers. What
// keeps it from starting is told here.
func runDetached(cmd *cobra.Command, p *terminal.Printer, f *watchFlags) error {
	ctx := cmd.Context()
	place, err := find(ctx, p, f.place)
	if err != nil {
		return err
	}
	release, err := lockDaemon(ctx, place)
	if err != nil {
		return err
	}
	if err := release(); err != nil {
		return err
	}
	c, err := newClient(place.State, place.Root)
	if err != nil {
		return err
	}
	child, crash, err := startDetached(place.State, repeated(cmd, "detach", "--detached"))
	if err != nil {
		return err
	}
	defer crash.Close()
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return startFailure(p, crash, err)
		case <-ctx.Done():
			_ = child.Process.Kill() // it has begun nothing
			return context.Cause(ctx)
		case <-tick.C:
		}
		if s, err := c.Status(ctx); err == nil && s.PID == child.Process.Pid {
			p.Message("rebuild: watches %s in the background, as process %d", place.Root, s.PID)
			return nil
		}
	}
}

// startDetached starts this program with other arguments. What it prints goes to a
// file, which is given open for reading.
func startDetached(state string, args []string) (*exec.Cmd, *os.File, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(state, 0o755); err != nil {
		return nil, nil, err
	}
	out, err := os.Create(filepath.Join(state, "watch.out"))
	if err != nil {
		return nil, nil, err
	}
	child := exec.Command(self, args...)
	child.Stdout, child.Stderr = out, out
	child.Env = tree.WithoutGit(os.Environ())
	detach(child)
	if err := child.Start(); err != nil {
		_ = out.Close()
		return nil, nil, fmt.Errorf("start the daemon: %w", err)
	}
	return child, out, nil
}

// startFailure tells what a daemon said that did not start.
func startFailure(p *terminal.Printer, crash *os.File, err error) error {
	said, readErr := io.ReadAll(io.NewSectionReader(crash, 0, 1<<20))
	if readErr == nil {
		_, _ = p.Err.Write(said)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exitError{exit.ExitCode()}
	}
	return fmt.Errorf("the daemon ended at once: %w", errors.Join(err, readErr))
}

// repeated are the arguments of a command as it was called, with more of them in the
// place of one flag.
func repeated(cmd *cobra.Command, without string, instead ...string) []string {
	args := append([]string{cmd.Name()}, instead...)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		list, many := f.Value.(pflag.SliceValue)
		switch {
		case f.Name == without:
		case many:
			for _, value := range list.GetSlice() {
				args = append(args, "--"+f.Name+"="+value)
			}
		default:
			args = append(args, "--"+f.Name+"="+f.Value.String())
		}
	})
	if cmd.Flags().NArg() > 0 {
		args = append(args, "--") // one may begin with a dash
	}
	return append(args, cmd.Flags().Args()...)
}
