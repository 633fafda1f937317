package main

import (
	"context"

	"github.com/spf13/cobra"
)

func pauseCommand(v *voice) *cobra.Command {
	cmd := &cobra.Command{Use: "pause", Short: "have the daemon begin no more builds"}
	return daemonCommand(v, cmd, func(ctx context.Context, c *client) error { return c.do(ctx, "POST", "/pause", nil) })
}

func resumeCommand(v *voice) *cobra.Command {
	cmd := &cobra.Command{Use: "resume", Short: "have a paused daemon go on"}
	return daemonCommand(v, cmd, func(ctx context.Context, c *client) error { return c.do(ctx, "POST", "/resume", nil) })
}
