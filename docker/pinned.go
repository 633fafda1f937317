package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/proto"
)

const (
	imageScheme = "docker-image://"
	// pinAttr is an attribute of ours. BuildKit passes over those that it does not know
	// (source/containerimage, registryIdentifier).
	pinAttr = "rebuild.image"
)

// pinned makes the steps of builds that stand on different images different ones, also
// where the images had one tag, one after the other. BuildKit names a FROM by its tag
// alone, and has builds that run at one time share what has one name: a build that
// begins after a tag was moved would stand on the image before for as long as any other
// build does (solver/jobs.go). What the cache holds is found all the same: its keys hold
// what the image is made of.
//
// id gives the image that a reference names in the engine's own store, "" when there is
// none. What is given is not changed.
func pinned(ctx context.Context, def *pb.Definition, id func(ctx context.Context, ref string) (string, error)) (*pb.Definition, error) {
	if def == nil {
		return nil, nil
	}
	out := &pb.Definition{Metadata: maps.Clone(def.Metadata)}
	renamed := map[string]string{} // of steps: digest -> the new one
	for _, dt := range def.Def {   // inputs come before those that take them
		var op pb.Op
		if err := op.UnmarshalVT(dt); err != nil {
			return nil, fmt.Errorf("build definition: %w", err)
		}
		changed := false
		for _, in := range op.Inputs {
			if name, ok := renamed[in.Digest]; ok {
				in.Digest, changed = name, true
			}
		}
		if source := op.GetSource(); source != nil && strings.HasPrefix(source.Identifier, imageScheme) {
			image, err := id(ctx, strings.TrimPrefix(source.Identifier, imageScheme))
			if err != nil {
				return nil, err
			}
			if image != "" {
				attrs := map[string]string{pinAttr: image}
				maps.Copy(attrs, source.Attrs)
				source.Attrs, changed = attrs, true
			}
		}
		if changed {
			was := digest.FromBytes(dt).String()
			var err error
			if dt, err = (proto.MarshalOptions{Deterministic: true}).Marshal(&op); err != nil {
				return nil, fmt.Errorf("build definition: %w", err)
			}
			now := digest.FromBytes(dt).String()
			renamed[was] = now
			if meta, ok := out.Metadata[was]; ok {
				delete(out.Metadata, was)
				out.Metadata[now] = meta
			}
		}
		out.Def = append(out.Def, dt)
	}
	if def.Source != nil {
		out.Source = &pb.Source{Infos: def.Source.Infos, Locations: make(map[string]*pb.Locations, len(def.Source.Locations))}
		for dgst, where := range def.Source.Locations {
			if name, ok := renamed[dgst]; ok {
				dgst = name
			}
			out.Source.Locations[dgst] = where
		}
	}
	return out, nil
}

// imageNow is the image that a reference names in the engine's store, "" when there is
// none.
func (b *build) imageNow(ctx context.Context, ref string) (string, error) {
	im, err := b.engine.Inspect(ctx, ref)
	if errors.Is(err, ErrNoImage) || errors.Is(err, ErrNoStore) {
		return "", nil
	}
	return im.ID, err
}
