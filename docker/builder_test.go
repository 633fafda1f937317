package docker_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"rebuild/docker"
	"rebuild/docker/enginetest"
	"rebuild/impact"
)

// A buildkitd by itself: there is no image store, images go to a registry.
// REBUILD_TEST_BUILDER is its address, on this machine.
func TestBuilder(t *testing.T) {
	address := os.Getenv("REBUILD_TEST_BUILDER")
	if address == "" {
		t.Skip("REBUILD_TEST_BUILDER names no buildkitd")
	}
	e, err := docker.Connect(t.Context(), docker.Options{Builders: []string{address}, Load: docker.NoLoad})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	program, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(server.URL, "http://")
	base := docker.Request{
		Image:          impact.Image{Name: "base"},
		Dockerfile:     []byte("FROM scratch\nCOPY --exclude=x . /bin/\nRUN [\"/bin/busybox\", \"--install\", \"/bin\"]\nENV A=" + enginetest.Unique() + " PATH=/bin\n"),
		DockerfileName: "base/Dockerfile",
		Context:        docker.Source{FS: enginetest.Files{"busybox": {Data: program, Mode: 0o755}, "x": {}}},
		Refs:           []string{host + "/base:1"},
		Push:           true,
	}
	made, err := e.Build(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(made.ImageID, "sha256:") || len(made.Chain) != 1 || !strings.Contains(string(made.ConfigJSON), `"A=`) || made.Config == "" {
		t.Errorf("%+v", made)
	}
	if id, err := e.ID(t.Context()); id != address || err != nil {
		t.Errorf("id %q %v", id, err)
	}
	if images, err := e.Images(t.Context()); err != nil || len(images.Refs()) > 0 {
		t.Errorf("images %v %v", images.Refs(), err)
	}
	if _, err := e.Inspect(t.Context(), base.Refs[0]); !errors.Is(err, docker.ErrNoStore) {
		t.Errorf("inspect: %v", err)
	}

	child := docker.Request{Image: impact.Image{Name: "child"}, DockerfileName: "child/Dockerfile", Refs: []string{host + "/child:1"}, Push: true}
	child.Dockerfile = []byte("FROM " + host + "/base:1\nRUN test ! -e /bin/x && echo " + enginetest.Unique() + "\n")
	res, err := e.Build(t.Context(), child)
	if err != nil {
		t.Fatal(err)
	}
	if s := enginetest.Step(t, res, "RUN test"); !s.Ran() || s.Line != 2 {
		t.Errorf("%+v", s)
	}

	child.Dockerfile = []byte("FROM " + host + "/base:1\n\nRUN echo said; exit 3\n")
	_, err = e.Build(t.Context(), child)
	var failure *docker.BuildFailure
	if !errors.As(err, &failure) || failure.Line != 3 || !strings.Contains(failure.Step, "exit 3") || strings.Join(failure.LastLog, "") != "said" {
		t.Errorf("%T %v %+v", err, err, failure)
	}

	child.Dockerfile = []byte("FROM " + host + "/base:1\nRUN echo started " + enginetest.Unique() + "; sleep 60\n")
	ctx, cancel := context.WithCancel(t.Context())
	var at time.Time
	child.Progress = &onLog{text: "started", fn: func() { at = time.Now(); cancel() }}
	_, err = e.Build(ctx, child)
	if took := time.Since(at); !errors.As(err, new(*docker.Canceled)) || took > time.Second {
		t.Errorf("after %v: %T %v", took, err, err)
	}

	socket, isSocket := strings.CutPrefix(address, "unix://")
	if !isSocket {
		return
	}
	proxy := newProxy(t, socket)
	cut, err := docker.Connect(t.Context(), docker.Options{Builders: []string{"unix://" + proxy.path}, Load: docker.NoLoad})
	if err != nil {
		t.Fatal(err)
	}
	child.Dockerfile = []byte("FROM " + host + "/base:1\nRUN echo started " + enginetest.Unique() + "; sleep 60\n")
	child.Progress = &onLog{text: "started", fn: proxy.cut}
	if _, err := cut.Build(t.Context(), child); !errors.As(err, new(*docker.Unreachable)) {
		t.Errorf("cut off: %T %v", err, err)
	}
}
