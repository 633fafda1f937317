package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/system"
)

// self is what an engine says of itself.
type self struct {
	info   system.Info
	podman bool // Podman, which serves the API of Docker's engine
}

// about asks the engine once; its answer does not change for what is read of it here.
func (e *Engine) about(ctx context.Context) (*self, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.self != nil {
		return e.self, nil
	}
	if err := e.meet(ctx); err != nil {
		return nil, e.failed(ctx, "docker info", err)
	}
	info, err := answered(ctx, &e.silence, e.api.Info)
	if err != nil {
		return nil, e.failed(ctx, "docker info", whole(err))
	}
	e.self = &self{info: info, podman: info.IndexServerAddress == "" && e.isPodman(ctx)}
	return e.self, nil
}

// isPodman asks an engine that names no registry of its own for its name
// (pkg/api/handlers/compat/version.go). Docker's, which names one, is not asked: without root,
// in the network of the system, 28.5.2 breaks off that answer (daemon.fillRootlessVersion).
func (e *Engine) isPodman(ctx context.Context) bool {
	version, err := answered(ctx, &e.silence, e.api.ServerVersion)
	return err == nil && slices.ContainsFunc(version.Components, func(c types.ComponentVersion) bool { return c.Name == "Podman Engine" })
}

// id names the engine. Podman makes up a new ID for each answer
// (pkg/api/handlers/compat/info.go): there the machine and the place of its store serve.
func (s *self) id() string {
	if s.podman {
		return fmt.Sprintf("podman on %s at %s", s.info.Name, s.info.DockerRootDir)
	}
	return s.info.ID
}

// isManifestStore tells whether images are named by their manifest (the containerd image
// store), not by their config.
func (s *self) isManifestStore() bool {
	for _, pair := range s.info.DriverStatus {
		if pair[0] == "driver-type" && strings.HasPrefix(pair[1], "io.containerd.snapshotter") {
			return true
		}
	}
	return false
}

// name is the engine for people: "docker engine 20.10.24", "podman 5.4.2".
func (s *self) name() string {
	if s.podman {
		return "podman " + s.info.ServerVersion
	}
	return "docker engine " + s.info.ServerVersion
}

// store is an engine's store that holds one image of a name, for people.
func (s *self) store() string {
	if s.podman {
		return s.name()
	}
	return s.name() + " without the containerd image store"
}
