package daemon

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
)

// Client speaks to a daemon.
type Client struct {
	http *http.Client
	root string
}

// NewClient prepares to speak to the daemon that listens at a socket, about a working
// tree; "": any.
func NewClient(socket, root string) *Client {
	return newClient(root, func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	})
}

func newClient(root string, dial func(context.Context) (net.Conn, error)) *Client {
	t := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableKeepAlives: true,
	}
	return &Client{http: &http.Client{Transport: t}, root: root}
}

// NotRunning says that there is no daemon to speak to.
type NotRunning struct{ Root string }

// Error implements error.
func (n *NotRunning) Error() string { return "no daemon watches " + n.Root }

// Elsewhere says that the repository's daemon watches another worktree of it.
type Elsewhere struct{ Root, Watched string }

// Error implements error.
func (e *Elsewhere) Error() string {
	return fmt.Sprintf("no daemon watches %s: the one of this repository watches %s", e.Root, e.Watched)
}

// ErrEnded tells of a daemon that was asked while it was ending.
var ErrEnded = errors.New("the daemon ended before it had answered")

// Status asks how things are.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.do(ctx, "GET", "/status", &s)
	return s, err
}

// Wait waits until everything that was saved before is built, or cannot be.
func (c *Client) Wait(ctx context.Context) (Answer, error) {
	var a Answer
	if err := c.do(ctx, "POST", "/wait", &a); err != nil {
		return Answer{}, err
	}
	if a.Rest == "" {
		return Answer{}, errors.New("daemon: it gives no answer that is understood; it may be of another version")
	}
	return a, nil
}

// Pause has the daemon begin no more builds.
func (c *Client) Pause(ctx context.Context) error { return c.do(ctx, "POST", "/pause", nil) }

// Resume takes that back.
func (c *Client) Resume(ctx context.Context) error { return c.do(ctx, "POST", "/resume", nil) }

// Stop tells the daemon to end, and does not wait until it has.
func (c *Client) Stop(ctx context.Context) error { return c.do(ctx, "POST", "/stop", nil) }

// do sends a request and reads the answer into into, unless that is nil.
func (c *Client) do(ctx context.Context, method, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://rebuild"+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set(rootHeader, c.root)
	res, err := c.http.Do(req)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return &NotRunning{c.root}
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ErrEnded
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
		return ErrEnded
	case err != nil:
		return fmt.Errorf("daemon: %w", err)
	case watched != "":
		return &Elsewhere{c.root, watched}
	}
	return nil
}
