package docker

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// The sockets of engines that run without root, below their user's folder for such things.
const (
	dockerSocket = "docker.sock"
	podmanSocket = "podman/podman.sock" // root's own lies in /run
)

// runtimeFolder is the user's folder for sockets, by the XDG base directory specification.
func runtimeFolder() string {
	return cmp.Or(os.Getenv("XDG_RUNTIME_DIR"), filepath.Join("/run/user", strconv.Itoa(os.Getuid())))
}

// socketHint is what cures that nobody listens at a socket, or not for this user; "" when
// its path does not tell.
func (ep endpoint) socketHint(path string, denied bool) string {
	if runtime.GOOS != "linux" {
		return ""
	}
	docker, podman := filepath.Join(runtimeFolder(), dockerSocket), filepath.Join(runtimeFolder(), podmanSocket)
	switch {
	case path == docker:
		return "systemctl --user start docker"
	case path == podman:
		return "systemctl --user start podman.socket"
	case ep.from == "" && isSocketFile(docker):
		return "export DOCKER_HOST=unix://" + docker + ", where an engine of your own listens"
	case ep.from == "" && isSocketFile(podman):
		return "export DOCKER_HOST=unix://" + podman + ", where your own Podman listens"
	case strings.HasSuffix(path, "/"+podmanSocket) && denied: // it has no group
		return "systemctl --user start podman.socket && export DOCKER_HOST=unix://" + podman
	case strings.HasSuffix(path, "/"+podmanSocket):
		return "sudo systemctl start podman.socket"
	}
	return ""
}

func isSocketFile(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().Type() == fs.ModeSocket
}

// isDenied tells of the error of a connection that another user may have it.
func isDenied(cause error) bool {
	return errors.Is(cause, fs.ErrPermission) || strings.Contains(cause.Error(), "permission denied")
}
