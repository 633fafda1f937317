package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/buildx/util/buildflags"
	"github.com/moby/buildkit/client"

	"rebuild/impact"
)

// fits refuses what the engine's store does not hold: an image for several platforms, and what
// is kept beside an image. The engine itself finds that out at the export, when all is built.
func (b *build) fits(ctx context.Context) error {
	platforms, beside := b.req.Image.Platforms, unkept(b.req.Image)
	if b.manifestStore || len(platforms) < 2 && beside == "" {
		return nil
	}
	about, err := b.engine.about(ctx)
	if err != nil {
		return err
	}
	f := &impact.Fault{
		Cause: fmt.Sprintf("%s holds an image for one platform, not for %s", about.store(), strings.Join(platforms, ", ")),
		Hint:  "rebuild --load=false, or --push, which leave it out of the engine",
	}
	switch loaded := b.engine.IsBuilder(); {
	case beside != "" && loaded:
		f.Cause = fmt.Sprintf("%s: %s: %s, which it is loaded into, cannot keep that", b.req.Image.Origin, beside, about.name())
	case beside != "":
		return b.refuse(ctx, beside)
	case !loaded:
		f.Hint = fmt.Sprintf("rebuild --set '%s.platform=%s', or --builder with a buildkitd", b.req.Image.Name, platforms[0])
	}
	return f
}

// unkept says what an image is to have that only an engine with manifests keeps, "" for
// most images.
func unkept(im impact.Image) string {
	if len(im.Attest) > 0 {
		return "attest " + strings.Join(im.Attest, ", ")
	}
	for _, a := range im.Annotations {
		if kind, _, ok := strings.Cut(a, ":"); ok && strings.Contains(kind, "index") && !strings.Contains(kind, "=") {
			return "annotation " + a
		}
	}
	return ""
}

func (b *build) refuse(ctx context.Context, what string) error {
	refused := &Unkept{What: b.req.Image.Origin + ": " + what}
	if b.engine.HasStore() {
		if about, err := b.engine.about(ctx); err == nil { // it is for people: that it cannot be had is no second error
			refused.Engine = about.name()
		}
	}
	return refused
}

// export is how the image gets to where it is used: the engine's own store, or from a
// builder there, to the registry, or to the builder's store. What is said of its manifest is
// left out, with a warning, where the engine keeps none.
func (b *build) export(ctx context.Context) ([]client.ExportEntry, error) {
	attrs, err := manifestAttrs(b.req.Image)
	if err != nil {
		return nil, err
	}
	if len(attrs) > 0 && !b.manifestStore {
		b.warnings = append(b.warnings, fmt.Sprintf("%s: this engine keeps no manifests, so this is left out", strings.Join(slices.Sorted(maps.Keys(attrs)), ", ")))
		clear(attrs)
	}
	if len(b.req.Refs) > 0 {
		attrs["name"] = strings.Join(b.req.Refs, ",")
	}
	if b.engine.IsBuilder() {
		return b.exports(ctx, attrs), nil
	}
	if b.manifestStore {
		attrs["prefer-image-digest"] = "true"
	}
	return []client.ExportEntry{{Type: "moby", Attrs: attrs}}, nil
}

// manifestAttrs are an image's annotations, and what else an exporter is told of it.
func manifestAttrs(im impact.Image) (map[string]string, error) {
	attrs := map[string]string{}
	maps.Copy(attrs, im.Export)
	annotations, err := buildflags.ParseAnnotations(im.Annotations)
	if err != nil {
		return nil, fmt.Errorf("annotations: %w", err)
	}
	for key, v := range annotations {
		attrs[key.String()] = v
	}
	return attrs, nil
}
