package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/impact"
	"rebuild/watch/daemon"
)

// placeCommand is a verb that needs only to know which repository is meant.
func placeCommand(p *terminal.Printer, cmd *cobra.Command, do func(ctx context.Context, s *session.Session, args []string) error) *cobra.Command {
	var place session.Place
	cmd.Flags().StringVarP(&place.Dir, "directory", "C", "", "run as if started in `DIR`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		s, err := find(ctx, p, place)
		if err != nil {
			return err
		}
		return do(ctx, s, args)
	}
	return cmd
}

// find finds the repository that a verb about its daemon means. The session is closed: only
// its folders are asked for.
func find(ctx context.Context, p *terminal.Printer, place session.Place) (*session.Session, error) {
	s, err := session.Open(ctx, place, session.NoEngine, session.Options{Warn: p.WarnText})
	if err == nil {
		s.Close()
	}
	return s, err
}

// daemonCommand is a verb that speaks to the daemon.
func daemonCommand(p *terminal.Printer, cmd *cobra.Command, do func(ctx context.Context, c *daemon.Client) error) *cobra.Command {
	cmd.Args = cobra.NoArgs
	return placeCommand(p, cmd, func(ctx context.Context, s *session.Session, _ []string) error {
		c, err := newClient(s.State, s.Root)
		if err != nil {
			return err
		}
		return daemonHint(do(ctx, c))
	})
}

// newClient prepares to speak to the daemon that has its records in a state folder, about
// one of its worktrees; "" is any.
func newClient(state, root string) (*daemon.Client, error) {
	socket, err := daemon.SocketPath(state)
	if err != nil {
		return nil, daemonHint(err)
	}
	return daemon.NewClient(socket, root), nil
}

// daemonHint adds the command that cures what a daemon, or the lack of one, says.
func daemonHint(err error) error {
	var (
		none      *daemon.NotRunning
		elsewhere *daemon.Elsewhere
		open      *daemon.OpenFolder
	)
	switch {
	case errors.As(err, &none):
		return hinted{err, "rebuild watch -d"}
	case errors.As(err, &elsewhere):
		return hinted{err, "rebuild -C " + impact.ShellWord(elsewhere.Watched) + " stop, then rebuild watch -d"}
	case errors.As(err, &open):
		return hinted{err, "rm -r " + impact.ShellWord(open.Dir) + ", or set XDG_RUNTIME_DIR"}
	}
	return err
}
