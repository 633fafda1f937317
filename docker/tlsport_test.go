package docker_test

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rebuild/docker"
)

// What speaks TLS where we do not, or the other way around, cannot be reached, and the
// hint says which setting it is.
func TestTLSPort(t *testing.T) {
	handler := http.NotFoundHandler()
	secured, plain := httptest.NewUnstartedServer(handler), httptest.NewServer(handler)
	secured.Config.ErrorLog = log.New(io.Discard, "", 0)
	secured.StartTLS()
	t.Cleanup(secured.Close)
	t.Cleanup(plain.Close)
	for _, tt := range []struct{ name, url, tls, hint string }{
		{"plain HTTP at a TLS port", secured.URL, "", "export DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=DIR"},
		{"TLS at a plain port", plain.URL, "1", "unset DOCKER_TLS_VERIFY DOCKER_TLS"},
		{"no engine", plain.URL, "", "docker info shows whether DOCKER_HOST is right"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, address, _ := strings.Cut(tt.url, "//")
			t.Setenv("DOCKER_HOST", "tcp://"+address)
			t.Setenv("DOCKER_CONTEXT", "")
			t.Setenv("DOCKER_TLS", tt.tls)
			t.Setenv("DOCKER_TLS_VERIFY", "")
			t.Setenv("DOCKER_CERT_PATH", t.TempDir())
			e, err := docker.Connect(t.Context(), docker.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for what, ask := range map[string]func() error{
				"id":     func() error { _, err := e.ID(t.Context()); return err },
				"images": func() error { _, err := e.Images(t.Context()); return err },
				"build":  func() error { _, err := e.Build(t.Context(), docker.Request{}); return err },
			} {
				err := ask()
				var gone *docker.Unreachable
				if !errors.As(err, &gone) || !strings.Contains(gone.Hint, tt.hint) {
					t.Errorf("%s: %v, hint %q", what, err, gone)
				}
			}
		})
	}
}
