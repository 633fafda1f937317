package llb

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Build is the Dockerfile frontend of a build: the conversion of a plan, solved by
// BuildKit. It is what frontend/dockerfile/builder.Build does for an image without
// attestations, less its data race: that one sets a field from each of the
// goroutines that resolve a Dockerfile's bases (withResolveCache).
func Build(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
	c = &resolvedOnce{Client: c, answers: map[string]func() (resolved, error){}}
	bc, err := dockerui.NewClient(c)
	if err != nil {
		return nil, err
	}
	src, err := bc.ReadEntrypoint(ctx, "Dockerfile")
	if err != nil {
		return nil, err
	}
	rb, err := bc.Build(ctx, func(ctx context.Context, platform *ocispecs.Platform, idx int) (*dockerui.BuildResult, error) {
		opt := convertOpt(bc, src, c, platform)
		if idx == 0 { // what is warned of is the same for each platform
			opt.Warn = warner(ctx, src)
		}
		res, err := dockerfile2llb.Dockerfile2LLB(ctx, src.Data, opt)
		if err != nil {
			return nil, err
		}
		def, err := res.State.Marshal(ctx)
		if err != nil {
			return nil, fmt.Errorf("cannot marshal the build's definition: %w", err)
		}
		solved, err := c.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB(), CacheImports: bc.CacheImports})
		if err != nil {
			return nil, err
		}
		ref, err := solved.SingleRef()
		if err != nil {
			return nil, err
		}
		return &dockerui.BuildResult{Reference: ref, Image: res.Image, BaseImage: res.BaseImage, Epoch: res.Epoch}, nil
	})
	if err != nil {
		return nil, err
	}
	return rb.Finalize()
}

// convertOpt is how a Dockerfile is converted, for a plan as for a build.
func convertOpt(bc *dockerui.Client, src *dockerui.Source, c gateway.Client, platform *ocispecs.Platform) dockerfile2llb.ConvertOpt {
	config := bc.Config
	config.BuildArgs = maps.Clone(config.BuildArgs) // the conversion rewrites them (SOURCE_DATE_EPOCH)
	return dockerfile2llb.ConvertOpt{
		Config:         config,
		Client:         bc,
		SourceMap:      src.SourceMap,
		MetaResolver:   c,
		TargetPlatform: platform,
	}
}

// warner passes the linter's warnings on to the build's progress.
func warner(ctx context.Context, src *dockerui.Source) linter.LintWarnFunc {
	return func(rule, description, url, text string, location []parser.Range) {
		line := 0
		if len(location) > 0 {
			line = location[0].Start.Line
		}
		src.Warn(ctx, linter.LintFormatShort(rule, text, line), gateway.WarnOpts{Level: 1, Detail: [][]byte{[]byte(description)}, URL: url})
	}
}

// resolvedOnce asks for each base image once, however many instructions name it.
type resolvedOnce struct {
	gateway.Client
	mu      sync.Mutex
	answers map[string]func() (resolved, error) // guarded by mu
}

type resolved struct {
	ref    string
	digest digest.Digest
	config []byte
}

// ResolveImageConfig implements gateway.Client.
func (r *resolvedOnce) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	key := ref
	if opt.ImageOpt != nil && opt.ImageOpt.Platform != nil {
		key += fmt.Sprint(" ", *opt.ImageOpt.Platform, opt.ImageOpt.ResolveMode)
	}
	r.mu.Lock()
	ask := r.answers[key]
	if ask == nil {
		// An answer that a cancelled goroutine got is none for the others, but then all
		// of them are being cancelled.
		ask = sync.OnceValues(func() (resolved, error) {
			ref, dgst, config, err := r.Client.ResolveImageConfig(ctx, ref, opt)
			return resolved{ref, dgst, config}, err
		})
		r.answers[key] = ask
	}
	r.mu.Unlock()
	a, err := ask()
	return a.ref, a.digest, a.config, err
}
