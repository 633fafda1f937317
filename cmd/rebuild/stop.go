package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"rebuild/docker"
)

func stopCommand(v *voice) *cobra.Command {
	cmd := &cobra.Command{Use: "stop", Short: "end the daemon, and wait until it has ended", Args: cobra.NoArgs}
	return stateCommand(v, cmd, func(ctx context.Context, w *workspace, _ []string) error {
		c, err := newClient(w.root, w.state)
		if err != nil {
			return err
		}
		var s daemonStatus
		if err := c.do(ctx, "GET", "/status", &s); err != nil {
			return err
		}
		if err := c.do(ctx, "POST", "/stop", nil); err != nil {
			return err
		}
		return awaitEnd(ctx, w.state, s.PID)
	})
}

// awaitEnd waits until a daemon has given its lock up, which is the last that it does:
// then another can begin.
func awaitEnd(ctx context.Context, state string, pid int) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		release, err := docker.Acquire(ctx, watchLock(state), false, nil)
		var locked *docker.Locked
		switch {
		case err == nil:
			return release()
		case !errors.As(err, &locked):
			return err
		case locked.Holder.PID != pid && locked.Holder.PID != 0:
			return nil // another one has begun
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// watchLock is held by a repository's one daemon.
func watchLock(state string) string { return filepath.Join(state, "watch.lock") }
