package docker_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rebuild/docker"
	"rebuild/impact"
)

// podman answers as Podman 5.4 does, but for BuildKit, of which it says that it has it.
func podman(t *testing.T, hasBuildKit bool) *docker.Engine {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/_ping"):
			w.Header().Set("Api-Version", "1.41")
		case strings.HasSuffix(r.URL.Path, "/info"):
			fmt.Fprintf(w, `{"ID":%q,"Name":"vm","DockerRootDir":"/home/a/storage","ServerVersion":"5.4.2","DriverStatus":[]}`, rand.Text())
		case strings.HasSuffix(r.URL.Path, "/version"):
			fmt.Fprint(w, `{"Version":"5.4.2","Components":[{"Name":"Podman Engine","Version":"5.4.2"},{"Name":"Conmon","Version":"2.1.12"}]}`)
		case strings.HasSuffix(r.URL.Path, "/grpc") && hasBuildKit:
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "h2c")
			w.WriteHeader(http.StatusSwitchingProtocols)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("DOCKER_HOST", strings.Replace(server.URL, "http:", "tcp:", 1))
	e, err := docker.Connect(t.Context(), docker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// Its id is one for all connections, though it gives another with each answer. That it has no
// BuildKit is asked of it.
func TestPodman(t *testing.T) {
	for range 2 {
		e := podman(t, false)
		if id, err := e.ID(t.Context()); id != "podman on vm at /home/a/storage" || err != nil {
			t.Errorf("%s %v", id, err)
		}
		err := e.CanBuild(t.Context())
		var (
			buildless *docker.NoBuildKit
			fault     *impact.Fault
		)
		if !errors.As(err, &buildless) || buildless.Engine != "podman 5.4.2" || !errors.As(err, &fault) || fault.Hint == "" {
			t.Errorf("%v", err)
		}
	}
	if err := podman(t, true).CanBuild(t.Context()); err != nil {
		t.Error(err)
	}
}
