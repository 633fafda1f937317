package docker

import (
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// Each engine's socket has its own cure, and who has an engine without root is told of it.
func TestSocketHint(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("sockets lie elsewhere, and systemd is not there")
	}
	own := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", own)
	gone := syscall.ENOENT
	for _, tt := range []struct {
		ep    endpoint
		cause error
		want  string
	}{
		{endpoint{host: "unix:///var/run/docker.sock"}, gone, "sudo systemctl start docker"},
		{endpoint{host: "unix://" + own + "/docker.sock", from: "context rootless"}, gone, "systemctl --user start docker"},
		{endpoint{host: "unix://" + own + "/podman/podman.sock", from: "DOCKER_HOST"}, gone, "systemctl --user start podman.socket"},
		{endpoint{host: "unix:///run/podman/podman.sock", from: "DOCKER_HOST"}, gone, "sudo systemctl start podman.socket"},
		{endpoint{host: "unix:///run/podman/podman.sock", from: "DOCKER_HOST"}, syscall.EACCES, "export DOCKER_HOST=unix://" + own + "/podman/podman.sock"},
		{endpoint{host: "unix:///run/podman/podman.sock", from: "DOCKER_HOST"}, errSilent, "docker info"},
		{endpoint{host: "unix://" + own + "/docker.sock", from: "--builder"}, gone, "buildctl"},
	} {
		if u := tt.ep.unreachable(tt.cause); !strings.Contains(u.Hint, tt.want) {
			t.Errorf("%+v %v: %s", tt.ep, tt.cause, u.Hint)
		}
	}
	listener, err := net.Listen("unix", own+"/docker.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if u := (endpoint{host: "unix:///var/run/docker.sock"}).unreachable(syscall.EACCES); !strings.HasPrefix(u.Hint, "export DOCKER_HOST=unix://"+own+"/docker.sock") {
		t.Error(u.Hint)
	}
}
