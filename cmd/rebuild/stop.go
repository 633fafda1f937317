package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
)

func stopCommand(p *terminal.Printer) *cobra.Command {
	cmd := &cobra.Command{Use: "stop", Short: "end the daemon, and wait until it has ended", Args: cobra.NoArgs}
	return placeCommand(p, cmd, func(ctx context.Context, of *session.Session, _ []string) error {
		c, err := newClient(of.State, of.Root)
		if err != nil {
			return err
		}
		s, err := c.Status(ctx)
		if err == nil {
			err = c.Stop(ctx)
		}
		if err != nil {
			return daemonHint(err)
		}
		return awaitEnd(ctx, of.WatchLock(), s.PID)
	})
}

// awaitEnd waits until a daemon has given its lock up, which is the last that it does:
// then another can begin.
func awaitEnd(ctx context.Context, lock string, pid int) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		release, err := session.Lock(ctx, lock, false, nil)
		var locked *session.Locked
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
