package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/spf13/cobra"
)

// client speaks to the daemon of a repository.
type client struct {
	http *http.Client
	root string // of the working tree that is meant; "": any
}

// newClient prepares to speak to a repository's daemon.
func newClient(root, state string) (*client, error) {
	path, err := socketPath(state)
	if err != nil {
		return nil, err
	}
	return clientOf(root, path), nil
}

func clientOf(root, socket string) *client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &client{http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, root: root}
}

// noDaemon says that there is none to speak to.
type noDaemon struct{ root string }

func (n noDaemon) Error() string { return "no daemon watches " + n.root }

// errEnded tells of a daemon that was asked while it was ending.
var errEnded = errors.New("the daemon ended before it had answered")

// elsewhere says that the repository's daemon watches another worktree of it.
type elsewhere struct{ root, watched string }

func (e elsewhere) Error() string {
	return fmt.Sprintf("no daemon watches %s: the one of this repository watches %s", e.root, e.watched)
}

// rootHeader names the working tree that a request is about.
const rootHeader = "Rebuild-Root"

// do sends a request and reads the answer into into, unless that is nil.
func (c *client) do(ctx context.Context, method, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://rebuild"+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set(rootHeader, c.root)
	res, err := c.http.Do(req)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return hinted{noDaemon{c.root}, "rebuild watch -d"}
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errEnded
	case err != nil:
		return fmt.Errorf("daemon: %w", err)
	}
	defer res.Body.Close()
	var watched string
	if res.StatusCode == http.StatusConflict {
		into = &watched
	}
	if into == nil {
		_, err = io.Copy(io.Discard, res.Body)
	} else {
		err = json.NewDecoder(res.Body).Decode(into)
	}
	switch {
	case errors.Is(err, io.EOF):
		return errEnded
	case err != nil:
		return fmt.Errorf("daemon: %w", err)
	case watched != "":
		return hinted{elsewhere{c.root, watched}, "rebuild -C " + watched + " stop, then rebuild watch -d"}
	}
	return nil
}

// stateCommand is a verb that needs only to know which repository is meant.
func stateCommand(v *voice, cmd *cobra.Command, run func(ctx context.Context, w *workspace, args []string) error) *cobra.Command {
	f := &flags{}
	cmd.Flags().StringVarP(&f.dir, "directory", "C", "", "run as if started in `DIR`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		w, err := openWorkspace(ctx, v, f)
		if err != nil {
			return err
		}
		defer w.close()
		return run(ctx, w, args)
	}
	return cmd
}

// daemonCommand is a verb that speaks to the daemon.
func daemonCommand(v *voice, cmd *cobra.Command, run func(ctx context.Context, c *client) error) *cobra.Command {
	cmd.Args = cobra.NoArgs
	return stateCommand(v, cmd, func(ctx context.Context, w *workspace, _ []string) error {
		c, err := newClient(w.root, w.state)
		if err != nil {
			return err
		}
		return run(ctx, c)
	})
}
