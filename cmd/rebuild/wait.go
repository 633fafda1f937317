package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/terminal"
	"rebuild/watch/daemon"
)

const waitLong = `Wait until every image is up to date with all that was saved before this call.

Exit 1 if an image could not be built, the daemon is paused or stopped, or the
time is over.`

func waitCommand(p *terminal.Printer) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{Use: "wait", Short: "wait until the daemon has everything up to date", Long: waitLong}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "wait no longer than `TIME` (default: for ever)")
	return daemonCommand(p, cmd, func(ctx context.Context, c *daemon.Client) error {
		within := ctx
		if timeout > 0 {
			var cancel context.CancelFunc
			within, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		answer, err := c.Wait(within)
		switch {
		case err != nil && ctx.Err() == nil && errors.Is(within.Err(), context.DeadlineExceeded):
			return notUpToDate(p, fmt.Sprintf("not everything is up to date after %s", timeout), "rebuild status")
		case errors.Is(err, daemon.ErrEnded):
			return notUpToDate(p, err.Error(), "rebuild watch -d")
		case err != nil:
			return err
		}
		return answered(p, answer)
	})
}

// answered says what a daemon answered, unless everything is up to date.
func answered(p *terminal.Printer, a daemon.Answer) error {
	switch a.Rest {
	case daemon.RestPaused:
		return notUpToDate(p, "the daemon is paused", "rebuild resume")
	case daemon.Ended:
		return notUpToDate(p, "the daemon was stopped", "rebuild watch -d")
	case daemon.Unmarked:
		return notUpToDate(p, "marker: "+a.Error, "")
	}
	if len(a.Images) == 0 && a.Error == "" {
		return nil
	}
	for _, im := range a.Images {
		if im.Failure != nil {
			p.Fail(im.Name+": "+failureText(im.Failure), "")
		} else {
			p.Fail(im.Name+" is stale: "+imageCause(im), "")
		}
	}
	if a.Error != "" {
		p.Fail(a.Error, "")
	}
	p.Hint("rebuild status")
	return exitError{exitFailed}
}

// notUpToDate says why images are not up to date, which is no error of usage.
func notUpToDate(p *terminal.Printer, text, hint string) error {
	p.Fail(text, hint)
	return exitError{exitFailed}
}
