package docker

import (
	"context"
	"strings"

	"rebuild/impact"
)

// NoBuildKit says that an engine answers which has nothing to build with.
type NoBuildKit struct {
	Engine string // "podman 5.4.2"
}

// Error implements error.
func (n *NoBuildKit) Error() string {
	return n.Engine + " cannot build: it has no BuildKit, and only keeps what a builder builds (--builder)"
}

// Unwrap gives the cause with what cures it.
func (n *NoBuildKit) Unwrap() error {
	return &impact.Fault{Cause: n.Error(), Hint: "podman run -d --name buildkitd --privileged docker.io/moby/buildkit && rebuild --builder podman-container://buildkitd"}
}

// CanBuild asks what builds whether it can. The error is a *NoBuildKit, or that of an engine
// which does not say what it is.
func (e *Engine) CanBuild(ctx context.Context) error {
	if e.IsBuilder() {
		return nil
	}
	about, err := e.about(ctx)
	if err != nil || !about.podman { // every Docker since 18.09 has it
		return err
	}
	conn, err := e.hijack(ctx, "/grpc", "h2c", nil)
	switch {
	case err == nil:
		return conn.Close() // one that has it: its name alone decides nothing
	case strings.Contains(err.Error(), notThere):
		return &NoBuildKit{Engine: about.name()}
	}
	return e.failed(ctx, "BuildKit", err)
}

// notThere ends the error of a hijack of a path that is not there (client.setupHijackConn).
const notThere = "received 404"
