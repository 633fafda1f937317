package docker

import (
	"context"
	"errors"
	"maps"
	"strings"

	"github.com/moby/buildkit/solver/pb"
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
	return rewritten(def, func(op *pb.Op) (bool, *pb.Definition, error) {
		source := op.GetSource()
		if source == nil || !strings.HasPrefix(source.Identifier, imageScheme) {
			return false, nil, nil
		}
		image, err := id(ctx, strings.TrimPrefix(source.Identifier, imageScheme))
		if err != nil || image == "" {
			return false, nil, err
		}
		attrs := map[string]string{pinAttr: image}
		maps.Copy(attrs, source.Attrs)
		source.Attrs = attrs
		return true, nil, nil
	})
}

// imageNow is the image that a reference names in the engine's store, "" when there is
// none.
func (b *build) imageNow(ctx context.Context, ref string) (string, error) {
	if b.engine.IsBuilder() { // which takes no image from there
		return "", nil
	}
	im, err := b.engine.Inspect(ctx, ref)
	if errors.Is(err, ErrNoImage) {
		return "", nil
	}
	return im.ID, err
}
