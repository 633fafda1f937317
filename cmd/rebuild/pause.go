package main

import (
	"context"

	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/terminal"
	"rebuild/watch/daemon"
)

func pauseCommand(p *terminal.Printer) *cobra.Command {
	cmd := &cobra.Command{Use: "pause", Short: "have the daemon begin no more builds"}
	return daemonCommand(p, cmd, func(ctx context.Context, c *daemon.Client) error { return c.Pause(ctx) })
}

func resumeCommand(p *terminal.Printer) *cobra.Command {
	cmd := &cobra.Command{Use: "resume", Short: "have a paused daemon go on"}
	return daemonCommand(p, cmd, func(ctx context.Context, c *daemon.Client) error { return c.Resume(ctx) })
}
