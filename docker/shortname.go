package docker

import (
	"context"
	"fmt"

	"github.com/distribution/reference"
)

// hidden warns of references whose short names mean another image on Podman, which looks for
// a short name under localhost first (containers/image pkg/shortnames): that is where podman
// build puts what it builds.
func (b *build) hidden(ctx context.Context, id string) {
	if !b.intoPodman {
		return
	}
	for _, ref := range b.req.Refs {
		named, err := reference.ParseNormalizedNamed(ref)
		if err != nil || reference.Domain(named) != "docker.io" {
			continue
		}
		short := reference.FamiliarString(named)
		other, err := b.engine.Inspect(ctx, "localhost/"+short)
		if err == nil && other.ID != id {
			b.warnings = append(b.warnings, fmt.Sprintf("%s: podman takes that for localhost/%s, which is another image: podman untag localhost/%s", short, short, short))
		}
	}
}

// keepsInPodman tells whether the engine that keeps images is Podman.
func (e *Engine) keepsInPodman(ctx context.Context) (bool, error) {
	if !e.HasStore() {
		return false, nil
	}
	about, err := e.about(ctx)
	if err != nil {
		return false, err
	}
	return about.podman, nil
}
