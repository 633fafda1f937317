package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
)

func stopCommand(v *voice) *cobra.Command {
	cmd := &cobra.Command{Use: "stop", Short: "end the daemon, and wait until it has ended"}
	return daemonCommand(v, cmd, func(ctx context.Context, c *client) error {
		if err := c.do(ctx, "POST", "/stop", nil); err != nil {
			return err
		}
		tick := time.NewTicker(readyPoll)
		defer tick.Stop()
		for {
			var gone noDaemon
			if err := c.do(ctx, "GET", "/status", nil); errors.As(err, &gone) {
				return nil
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-tick.C:
			}
		}
	})
}
