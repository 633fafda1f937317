package docker_test

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"rebuild/docker"
	"rebuild/docker/enginetest"
)

// Push sends every reference, and a later build pulls one of them as its base.
func TestPush(t *testing.T) {
	e := enginetest.WithBase(t)
	if !strings.HasPrefix(e.Host(), "unix://") {
		t.Skip("the registry is on this machine")
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://") // engines take 127.0.0.0/8 without TLS
	req := enginetest.Request(t, "pushed", "RUN echo "+enginetest.Unique()+"\n", nil)
	req.Refs = []string{host + "/app:one", host + "/app:two"}
	req.Push = true
	res := enginetest.MustBuild(t, e, req)
	enginetest.Step(t, res, "pushing "+host+"/app:two")
	for _, ref := range req.Refs {
		if err := e.Remove(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	child := enginetest.Request(t, "child", "", nil)
	child.Dockerfile = []byte("FROM " + host + "/app:two\nLABEL a=b\n")
	if got := enginetest.MustBuild(t, e, child); strings.Join(got.Chain, " ") != strings.Join(res.Chain, " ") {
		t.Errorf("chain %q, want %q", got.Chain, res.Chain)
	}
	enginetest.Cleanup(t, e, host+"/app:two")
}

func TestPushRefused(t *testing.T) {
	e := enginetest.WithBase(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(server.Close)
	req := enginetest.Request(t, "refused", "RUN echo "+enginetest.Unique()+"\n", nil)
	req.Refs = []string{strings.TrimPrefix(server.URL, "http://") + "/app:one"}
	req.Push = true
	enginetest.Cleanup(t, e, req.Refs...)
	_, err := e.Build(t.Context(), req)
	var failure *docker.BuildFailure
	if !errors.As(err, &failure) || !strings.HasPrefix(failure.Step, "pushing ") {
		t.Errorf("error %T %v", err, err)
	}
}
