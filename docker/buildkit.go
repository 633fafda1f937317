package docker

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/moby/buildkit/client"
	_ "github.com/moby/buildkit/util/grpcutil/encoding/proto" // takes file names that are no UTF-8, as buildx does
)

// link is one gRPC connection to BuildKit. Each build has its own: a kept one
// fails its first call after the engine was away, and closing it ends the build
// whatever the engine does.
type link struct {
	*client.Client

	mu     sync.Mutex // guards all below
	closed bool       // by us
	lost   error      // why the other side is gone
}

// dialBuildKit opens a link to the engine's BuildKit, or to a builder. One that is not
// there is found out by the first call on it.
func (e *Engine) dialBuildKit(ctx context.Context, ep endpoint) (*link, error) {
	l := &link{}
	var opts []client.ClientOpt
	address := ep.host
	switch {
	case !ep.builder:
		address = ""
		opts = append(opts,
			client.WithContextDialer(l.watched(func(ctx context.Context) (net.Conn, error) { return e.hijack(ctx, "/grpc", "h2c", nil) })),
			client.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
				return e.hijack(ctx, "/session", proto, meta)
			}))
	case ep.certs != nil:
		opts = ep.certs.options()
	case ep.named:
		address = ""
		opts = append(opts, client.WithContextDialer(l.watched(func(ctx context.Context) (net.Conn, error) { return ep.dial(ctx, "", "") })))
	}
	c, err := client.New(ctx, address, opts...)
	if err != nil {
		return nil, ep.unreachable(err)
	}
	l.Client = c
	return l, nil
}

// watched is a dialer whose connections the link hears of when they are lost.
func (l *link) watched(dial func(context.Context) (net.Conn, error)) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (net.Conn, error) {
		conn, err := dial(ctx)
		if err != nil {
			l.lose(err)
			return nil, err
		}
		return &watchedConn{Conn: conn, link: l}, nil
	}
}

func (l *link) lose(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed && l.lost == nil {
		l.lost = err
	}
}

// whyLost is nil while the other side is there.
func (l *link) whyLost() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// Close ends whatever runs over the link.
func (l *link) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	return l.Client.Close()
}

// watchedConn tells its link when the other side goes away: a gRPC error alone
// does not say whether the connection broke or a step of the build failed.
type watchedConn struct {
	net.Conn
	link *link
}

func (c *watchedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		c.link.lose(fmt.Errorf("connection lost: %w", err))
	}
	return n, err
}
