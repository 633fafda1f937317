package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/watch/daemon"
)

// The daemon's log is a file of JSON lines. It is rotated when it has this many
// megabytes, and this many old ones are kept.
const (
	logSize    = 10
	logBackups = 2
)

func logPath(state string) string { return filepath.Join(state, "watch.log") }

func logsCommand(p *terminal.Printer) *cobra.Command {
	follow, format := false, ""
	cmd := &cobra.Command{
		Use:   "logs [-f] [IMAGE]",
		Short: "print the daemon's log, or that of an image's last build",
		Args:  cobra.MaximumNArgs(1),
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on printing what is added")
	cmd.Flags().StringVar(&format, "format", "text", "of the daemon's log: `FORMAT`, text or json")
	return placeCommand(p, cmd, func(ctx context.Context, s *session.Session, args []string) error {
		if err := oneOf("format", format, "text", "json"); err != nil {
			return err
		}
		path, out := logPath(s.State), p.JSONLines()
		if format == "text" {
			out = consoleLog(p.Out, p.Color)
		}
		if len(args) == 1 {
			path, out = s.LogFile(args[0]), p.LogLines()
		}
		err := terminal.Follow(ctx, path, out, follow)
		if errors.Is(err, os.ErrNotExist) && len(args) == 1 {
			return hinted{fmt.Errorf("no build of %q has left a log", args[0]), "rebuild list"}
		}
		if errors.Is(err, os.ErrNotExist) {
			return daemonHint(&daemon.NotRunning{Root: s.Root})
		}
		return err
	})
}
