package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

const waitLong = `Wait until every image is up to date with all that was saved before this call.

Exit 1 if an image could not be built, the daemon is paused or stopped, or the time
is over.`

func waitCommand(v *voice) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{Use: "wait", Short: "wait until the daemon has everything up to date", Long: waitLong}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "wait no longer than `TIME` (default: for ever)")
	return daemonCommand(v, cmd, func(ctx context.Context, c *client) error {
		within := ctx
		if timeout > 0 {
			var cancel context.CancelFunc
			within, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		var r waitReply
		err := c.do(within, "POST", "/wait", &r)
		switch {
		case err != nil && ctx.Err() == nil && errors.Is(within.Err(), context.DeadlineExceeded):
			return toldFailure(v, fmt.Sprintf("not everything is up to date after %s", timeout), "rebuild status")
		case errors.Is(err, errEnded):
			return toldFailure(v, err.Error(), "rebuild watch -d")
		case err != nil:
			return err
		case r.Error != "":
			return toldFailure(v, r.Error, r.Hint)
		case len(r.Failed) > 0:
			for _, f := range r.Failed {
				fmt.Fprintf(v.err, "rebuild: error: %s\n", f)
			}
			v.hint("rebuild status")
			return failure{exitFailed}
		}
		return nil
	})
}

// toldFailure tells why images are not up to date, which is no error of usage.
func toldFailure(v *voice, text, hint string) error {
	fmt.Fprintf(v.err, "rebuild: error: %s\n", text)
	v.hint(hint)
	return failure{exitFailed}
}
