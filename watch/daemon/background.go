package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"rebuild/impact/safefile"
)

// readyPoll is how soon a daemon in the background is seen to answer.
const readyPoll = 20 * time.Millisecond

// EndedAtOnce says that a daemon in the background ended before it answered.
type EndedAtOnce struct {
	Printed []byte // all that it printed
	Exit    int    // its exit code; 0 or less: it had none
	Cause   error
}

// Error implements error.
func (e *EndedAtOnce) Error() string { return fmt.Sprintf("the daemon ended at once: %v", e.Cause) }

// Unwrap gives the cause.
func (e *EndedAtOnce) Unwrap() error { return e.Cause }

// Start starts this program with other arguments as a daemon in the background, and waits
// until it answers the client. It reads input; what it prints goes to the file output, in a
// folder that is made. The error is an *EndedAtOnce, the context's, or says what cannot be
// started.
func (c *Client) Start(ctx context.Context, output string, args, env []string, input io.Reader) (Status, error) {
	child, printed, err := startChild(output, args, env, input)
	if err != nil {
		return Status{}, err
	}
	defer printed.Close()
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return Status{}, endedAtOnce(printed, err)
		case <-ctx.Done():
			_ = child.Process.Kill() // it has begun nothing
			return Status{}, context.Cause(ctx)
		case <-tick.C:
		}
		if s, err := c.Status(ctx); err == nil && s.PID == child.Process.Pid {
			return s, nil
		}
	}
}

// startChild gives the file with what the child prints, open for reading.
func startChild(output string, args, env []string, input io.Reader) (*exec.Cmd, *os.File, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	out, err := safefile.Open(output, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return nil, nil, err
	}
	child := exec.Command(self, args...)
	child.Stdin, child.Stdout, child.Stderr, child.Env = input, out, out, env
	detach(child)
	if err := child.Start(); err != nil {
		_ = out.Close()
		return nil, nil, fmt.Errorf("start the daemon: %w", err)
	}
	return child, out, nil
}

func endedAtOnce(printed *os.File, err error) *EndedAtOnce {
	e := &EndedAtOnce{}
	var readErr error
	e.Printed, readErr = io.ReadAll(io.NewSectionReader(printed, 0, 1<<20))
	e.Cause = errors.Join(err, readErr)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		e.Exit = exit.ExitCode()
	}
	return e
}
