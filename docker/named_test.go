package docker_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rebuild/docker"
	"rebuild/docker/enginetest"
)

// A builder is reached by its name through buildx, here the engine's own BuildKit at a
// socket for it.
func TestBuilderByName(t *testing.T) {
	e := enginetest.Connect(t)
	buildx, err := exec.LookPath("buildx")
	if err != nil {
		t.Fatalf("this test needs buildx on the PATH (.ci/setup buildx): %v", err)
	}
	t.Setenv("BUILDX_CONFIG", t.TempDir())
	if out, err := exec.Command(buildx, "create", "--driver", "remote", "--name", "engine", grpcSocket(t, e)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := docker.Connect(t.Context(), docker.Options{Builders: []string{"engine"}, Load: docker.NoLoad})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.CacheUsage(t.Context()); err != nil || !b.IsBuilder() {
		t.Errorf("%v", err)
	}
	if id, err := b.ID(t.Context()); err != nil || id != "builder engine" {
		t.Errorf("%q %v", id, err)
	}
}

// grpcSocket is the address of a socket behind which the engine's BuildKit is, as a
// buildkitd has it.
func grpcSocket(t *testing.T, e *docker.Engine) string {
	host, isSocket := strings.CutPrefix(e.Host(), "unix://")
	if !isSocket {
		t.Skip("the engine has no unix socket")
	}
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "b.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			front, err := l.Accept()
			if err != nil {
				return
			}
			go serveGRPC(front, host)
		}
	}()
	return "unix://" + l.Addr().String()
}

func serveGRPC(front net.Conn, host string) {
	defer front.Close()
	back, err := net.Dial("unix", host)
	if err != nil {
		return
	}
	defer back.Close()
	if _, err := io.WriteString(back, "POST /grpc HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"); err != nil {
		return
	}
	answer := bufio.NewReader(back)
	res, err := http.ReadResponse(answer, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		return
	}
	go copyAndEnd(back, front)
	_, _ = io.Copy(front, answer)
}
