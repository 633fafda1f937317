package docker_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rebuild/docker"
	"rebuild/docker/enginetest"
)

// An engine that takes connections and does not answer is given up, once for all who ask.
func TestSilentEngine(t *testing.T) {
	ping := func(path string) bool { return strings.HasSuffix(path, "/_ping") }
	for name, answers := range map[string]func(path string) bool{
		"says nothing":        func(string) bool { return false },
		"answers to its ping": ping,
		"stops in the middle": ping,
	} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "socket")
			l, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			var asked atomic.Int32
			ended, end := context.WithCancel(t.Context())
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if answers(r.URL.Path) {
					return
				}
				asked.Add(1)
				if name == "stops in the middle" && r.Method == http.MethodGet {
					_, _ = io.WriteString(w, "{")
					_ = http.NewResponseController(w).Flush()
				}
				<-ended.Done()
			})}
			go func() { _ = server.Serve(l) }()
			defer server.Close()
			defer end()

			e, err := docker.Connect(t.Context(), docker.Options{Host: "unix://" + socket, Timeout: 200 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			var gone *docker.Unreachable
			if _, err := e.ID(t.Context()); !errors.As(err, &gone) || !strings.Contains(err.Error(), "it does not answer within 200ms") {
				t.Errorf("ID: %v", err)
			}
			before := asked.Load()
			if _, err := e.Images(t.Context()); !errors.As(err, &gone) {
				t.Errorf("Images: %v", err)
			}
			if name == "says nothing" && asked.Load() != before {
				t.Errorf("it was asked again at once")
			}
			req := enginetest.Request(t, "silent", "RUN true\n", nil)
			if _, err := e.Build(t.Context(), req); !errors.As(err, &gone) {
				t.Errorf("Build: %v", err)
			}

			patient, err := docker.Connect(t.Context(), docker.Options{Host: "unix://" + socket})
			if err != nil {
				t.Fatal(err)
			}
			defer patient.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := patient.ID(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("interrupted: %v", err)
			}
		})
	}
}
