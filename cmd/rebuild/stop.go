package main

import (
	"context"

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
		return session.AwaitUnlock(ctx, of.WatchLock(), s.PID)
	})
}
