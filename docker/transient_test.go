package docker_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"rebuild/docker"
	"rebuild/docker/enginetest"
)

// What the engine says of a registry that is away for a moment, in the engine's own words;
// and the same words from a step, which are the step's affair.
func TestTransient(t *testing.T) {
	e := enginetest.WithBase(t)
	var code atomic.Int32 // 0: the connection is closed
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if c := int(code.Load()); c != 0 {
			w.WriteHeader(c)
			return
		}
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			_ = conn.Close()
		}
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	for c, want := range map[int]string{
		0:                             "the registry closed the connection",
		http.StatusBadGateway:         "the registry is not reached by its gateway (502)",
		http.StatusServiceUnavailable: "the registry is not available (503)",
		http.StatusForbidden:          "",
		http.StatusNotFound:           "",
	} {
		code.Store(int32(c))
		req := enginetest.Request(t, "child", "", nil)
		req.Dockerfile = []byte("FROM " + host + "/app:" + enginetest.Unique() + "\nLABEL a=b\n")
		_, err := e.Build(t.Context(), req)
		if got := docker.Transient(err); got != want {
			t.Errorf("%d: %q, want %q: %v", c, got, want, err)
		}
	}
	req := enginetest.Request(t, "child", "RUN echo unexpected status: 503 Service Unavailable "+enginetest.Unique()+"; exit 1\n", nil)
	_, err := e.Build(t.Context(), req)
	var failure *docker.BuildFailure
	if !errors.As(err, &failure) || !failure.Executed || docker.Transient(err) != "" {
		t.Errorf("a step that failed: %T %+v", err, err)
	}
}

// The words of engines that are not here.
func TestTransientWords(t *testing.T) {
	for text, transient := range map[string]bool{
		"failed to prepare extraction snapshot \"extract-1-x sha256:ab\": parent snapshot sha256:0123456789abcdef does not exist: not found":          true,
		"failed to copy: httpReadSeeker: failed open: unexpected status code https://registry.example/v2/a/blobs/sha256:0: 503 Service Unavailable":   true,
		"unexpected status from HEAD request to https://registry.example/v2/a/manifests/1: 429 Too Many Requests":                                     true,
		"failed to do request: Head \"https://registry.example/v2/a/manifests/1\": read tcp 10.0.0.1:1->10.0.0.2:443: read: connection reset by peer": true,
		"failed to do request: Head \"https://registry.example/v2/a/manifests/1\": dial tcp: lookup registry.example: no such host":                   false,
		"unexpected status from HEAD request to https://registry.example/v2/a/manifests/1: 401 Unauthorized":                                          false,
		"failed to compute cache key: \"/x\": not found": false,
	} {
		if got := docker.Transient(&docker.BuildFailure{Cause: errors.New(text)}); (got != "") != transient {
			t.Errorf("%q: %q", text, got)
		}
	}
	if docker.Transient(errors.New("503 Service Unavailable")) != "" || docker.Transient(nil) != "" {
		t.Error("no failure of a build is transient")
	}
}
