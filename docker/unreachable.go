package docker

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"syscall"

	"rebuild/impact"
)

// Unreachable says that an engine does not answer, or went away in the middle of
// a call.
type Unreachable struct {
	Host  string // or the builder's name
	Cause error
	Hint  string // the command that cures it, as far as that is known

	Builder bool // it is a builder
}

// Error implements error.
func (u *Unreachable) Error() string {
	if u.Builder {
		return fmt.Sprintf("builder %s cannot be reached: %v", u.Host, u.Cause)
	}
	return fmt.Sprintf("docker engine %s cannot be reached: %v", u.Host, u.Cause)
}

// Unwrap gives the cause.
func (u *Unreachable) Unwrap() error { return u.Cause }

// unreachable makes the error, with the hint that fits what chose the host.
func (ep endpoint) unreachable(cause error) *Unreachable {
	return &Unreachable{Host: ep.name(), Cause: cause, Hint: ep.hint(cause), Builder: ep.builder}
}

func (ep endpoint) hint(cause error) string {
	text := cause.Error()
	scheme, rest, _ := strings.Cut(ep.host, "://")
	name, isContext := strings.CutPrefix(ep.from, "context ")
	denied := isDenied(cause)
	if scheme == "unix" && ep.from != "--builder" && ep.from != builderVariable && !errors.Is(cause, errSilent) {
		if hint := ep.socketHint(rest, denied); hint != "" {
			return hint
		}
	}
	switch {
	case strings.Contains(text, httpsServer) && isContext:
		return "docker context update " + name + " --docker host=" + ep.host + ",ca=ca.pem,cert=cert.pem,key=key.pem"
	case strings.Contains(text, httpsServer):
		return "export DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=DIR, where DIR has ca.pem, cert.pem and key.pem"
	case strings.Contains(text, "server gave HTTP response to HTTPS client") && isContext:
		return "docker context update " + name + " --docker host=" + ep.host
	case strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return "unset DOCKER_TLS_VERIFY DOCKER_TLS, if the engine is to be reached without TLS"
	case denied:
		if scheme == "unix" {
			return "sudo usermod -aG docker $USER, then log in again"
		}
	case scheme == "ssh":
		target, _, _ := strings.Cut(rest, "/")
		return "ssh " + impact.ShellWord(target) + " docker info"
	case isContext:
		return "docker --context " + impact.ShellWord(name) + " info, or docker context use default"
	case ep.from == "DOCKER_HOST":
		return "docker info shows whether DOCKER_HOST is right"
	case ep.node != "":
		name, _, _ := strings.Cut(ep.node, "/")
		return "docker buildx inspect --bootstrap " + impact.ShellWord(name)
	case ep.named:
		return "docker buildx inspect --bootstrap " + impact.ShellWord(ep.host)
	case ep.from == "--builder" || ep.from == builderVariable:
		return "buildctl --addr " + impact.ShellWord(ep.host) + " debug workers"
	case scheme != "unix" && scheme != "npipe":
	case runtime.GOOS == "linux":
		return "sudo systemctl start docker"
	case errors.Is(cause, syscall.ECONNREFUSED) || runtime.GOOS == "darwin" || runtime.GOOS == "windows":
		return "start Docker Desktop"
	}
	return "docker info"
}
