package docker

import (
	"context"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"rebuild/impact"
)

// take notes an ancestor that is in a registry, as another builder pushed it: its layers
// are fetched as far as a step needs them.
func (a *ancestry) take(ctx context.Context, c gateway.Client, req *Request) error {
	image := &ancestor{name: req.Image.Name, platform: map[string]*ancestorPlatform{}}
	take := func(platform *ocispecs.Platform) (*ancestorPlatform, error) {
		_, _, config, err := c.ResolveImageConfig(ctx, req.Taken, sourceresolver.Opt{
			LogName:  "[internal] load metadata for " + req.Taken,
			ImageOpt: &sourceresolver.ResolveImageOpt{Platform: platform},
		})
		if err != nil {
			return nil, err
		}
		var opts []llb.ImageOption
		if platform != nil {
			opts = append(opts, llb.Platform(*platform))
		}
		def, err := llb.Image(req.Taken, opts...).Marshal(ctx)
		if err != nil {
			return nil, err
		}
		p := &ancestorPlatform{def: def.ToPB(), config: config}
		p.id = digest.Digest(impact.DigestOf("taken", req.Taken, string(config)))
		a.results[p.id] = p
		return p, nil
	}
	wanted, err := platforms.ParseAll(req.Image.Platforms)
	if err != nil {
		return err
	}
	if len(wanted) == 0 {
		if image.only, err = take(nil); err != nil {
			return err
		}
	}
	for _, p := range wanted {
		if image.platform[platforms.FormatAll(platforms.Normalize(p))], err = take(&p); err != nil {
			return err
		}
	}
	return a.named(req, image)
}

// pushedTo is where an image is that a builder pushed under a reference; "" when the
// builder does not tell its digest.
func pushedTo(ref, dgst string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil || dgst == "" {
		return ""
	}
	return named.Name() + "@" + dgst
}
