package enginetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/util/apicaps"

	"rebuild/docker"
	"rebuild/impact"
)

// Manifests tells whether an engine keeps images by their manifests, with what goes beside
// them, by what /info says of its store: a snapshotter of containerd. It drops an image by
// itself when another takes its last name.
func Manifests(t testing.TB, e *docker.Engine) bool {
	t.Helper()
	return strings.Contains(Docker(t, e, "info", "--format", "{{json .DriverStatus}}"), `"io.containerd.snapshotter.v1"`)
}

// Capabilities are what an engine's BuildKit says that it understands.
func Capabilities(t testing.TB, e *docker.Engine) apicaps.CapSet {
	t.Helper()
	c, err := client.New(t.Context(), "", client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return upgraded(ctx, e.Host())
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var caps apicaps.CapSet
	_, err = c.Build(t.Context(), client.SolveOpt{}, "", func(_ context.Context, g gateway.Client) (*gateway.Result, error) {
		caps = g.BuildOpts().LLBCaps
		return gateway.NewResult(), nil
	}, nil)
	if err != nil {
		t.Fatalf("what the engine's BuildKit understands: %v", err)
	}
	return caps
}

// TakesAnyName tells whether an engine builds with a file whose name is no UTF-8.
func TakesAnyName(t testing.TB, e *docker.Engine) bool {
	t.Helper()
	_, err := e.Build(t.Context(), docker.Request{
		Image:      impact.Image{Name: "names"},
		Dockerfile: []byte("FROM scratch\nCOPY . /\n"),
		Context:    docker.Source{FS: Files{"caf\xe9": {}}, Key: "rebuild test " + Unique()},
	})
	if err != nil && !strings.Contains(err.Error(), "UTF-8") {
		t.Fatal(err)
	}
	return err == nil
}

// upgraded is a connection to the BuildKit inside an engine.
func upgraded(ctx context.Context, host string) (net.Conn, error) {
	at, err := url.Parse(host)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, at.Scheme, at.Host+at.Path)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprint(conn, "POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	r := bufio.NewReader(conn)
	answer, err := http.ReadResponse(r, nil)
	if err == nil && answer.StatusCode != http.StatusSwitchingProtocols {
		err = errors.New(answer.Status)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &readConn{conn, r}, nil
}

// readConn is a connection of which a part is read already.
type readConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *readConn) Read(b []byte) (int, error) { return c.r.Read(b) }
