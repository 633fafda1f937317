package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rebuild/cmd/rebuild/terminal"
	"rebuild/impact/tree"
	"rebuild/watch/daemon"
)

// runDetached starts the daemon in the background, and waits until it answers. What
// keeps it from starting is told here.
func runDetached(cmd *cobra.Command, p *terminal.Printer, f *watchFlags) error {
	ctx := cmd.Context()
	place, err := find(ctx, p, f.place)
	if err != nil {
		return err
	}
	release, err := lockDaemon(ctx, place)
	if err != nil {
		return err
	}
	if err := release(); err != nil {
		return err
	}
	c, err := newClient(place.State, place.Root)
	if err != nil {
		return err
	}
	args, err := json.Marshal(repeated(cmd, "detach", "--detached"))
	if err != nil {
		return err
	}
	st, err := c.Start(ctx, filepath.Join(place.State, "watch.out"), handingOver, tree.WithoutGit(os.Environ()), bytes.NewReader(args))
	if err != nil {
		return startFailure(p, err)
	}
	p.Message("rebuild: watches %s in the background, as process %d", place.Root, st.PID)
	return nil
}

// handingOver is what a daemon in the background is called with: everybody sees that (ps),
// and values may be among its arguments, so they come through its standard input.
var handingOver = []string{"watch", "--detached"}

// handedOver are the arguments of the program, which a daemon in the background reads.
func handedOver(args []string, in io.Reader) ([]string, error) {
	if !slices.Equal(args, handingOver) {
		return args, nil
	}
	if err := json.NewDecoder(in).Decode(&args); err != nil {
		return nil, fmt.Errorf("--detached: no arguments are handed over: %w", err)
	}
	return args, nil
}

// startFailure tells what a daemon said that did not start.
func startFailure(p *terminal.Printer, err error) error {
	var ended *daemon.EndedAtOnce
	if !errors.As(err, &ended) {
		return err
	}
	_, _ = p.Err.Write(ended.Printed)
	if ended.Exit > 0 {
		return exitError{ended.Exit}
	}
	return ended
}

// repeated are the arguments of a command as it was called, with more of them in the
// place of one flag.
func repeated(cmd *cobra.Command, without string, instead ...string) []string {
	args := append([]string{cmd.Name()}, instead...)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		list, many := f.Value.(pflag.SliceValue)
		switch {
		case f.Name == without:
		case many:
			for _, value := range list.GetSlice() {
				args = append(args, "--"+f.Name+"="+value)
			}
		default:
			args = append(args, "--"+f.Name+"="+f.Value.String())
		}
	})
	if cmd.Flags().NArg() > 0 {
		args = append(args, "--") // one may begin with a dash
	}
	return append(args, cmd.Flags().Args()...)
}
