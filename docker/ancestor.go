package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"rebuild/impact"
	"rebuild/impact/llb"
)

// ancestry is what an image is built on where no image is kept: the definitions of the
// images of the repository, as bake's target: contexts are (buildx build.waitContextDeps).
// An image that the Dockerfile names is found here, and in its place in the build's
// definition stands what makes it. BuildKit has done that already, or does it now.
type ancestry struct {
	images  map[string]*ancestor                // by reference
	results map[digest.Digest]*ancestorPlatform // by the digest that stands for it in a definition
}

// ancestor is one such image.
type ancestor struct {
	name     string
	only     *ancestorPlatform            // nil: it is built for several
	platform map[string]*ancestorPlatform // by platform
}

// ancestorPlatform is an ancestor for one platform.
type ancestorPlatform struct {
	def    *pb.Definition
	config []byte // with a diff id unless the image is empty, as the frontend takes it for empty otherwise
	id     digest.Digest
}

// ancestors makes the definitions of the images that the build stands on, each after its
// own ancestors.
func (b *build) ancestors(ctx context.Context, c gateway.Client) (*ancestry, error) {
	found := &ancestry{images: map[string]*ancestor{}, results: map[digest.Digest]*ancestorPlatform{}}
	for i := range b.req.Ancestors {
		req := &b.req.Ancestors[i]
		if req.Taken != "" {
			err := found.take(ctx, c, req)
			if err == nil {
				continue
			}
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			b.warnings = append(b.warnings, fmt.Sprintf("%s is made again, as it could not be taken from %s: %v", req.Image.Name, req.Taken, err))
		}
		res, err := llb.Build(ctx, &ancestorClient{Client: c, attrs: b.ancestorAttrs[i], of: req, build: b, ancestry: found})
		if err != nil {
			return nil, fmt.Errorf("%s, which it is built on: %w", req.Image.Name, err)
		}
		if err := found.add(ctx, req, res); err != nil {
			return nil, fmt.Errorf("%s, which it is built on: %w", req.Image.Name, err)
		}
	}
	return found, nil
}

// ancestorRef is a reference to an image of the repository that has none of its own.
func ancestorRef(name string) string {
	return "rebuild.invalid/" + strings.TrimPrefix(string(impact.DigestOf("image", name)), "sha256:")[:32] + ":latest"
}

func (a *ancestry) add(ctx context.Context, req *Request, res *gateway.Result) error {
	image := &ancestor{name: req.Image.Name, platform: map[string]*ancestorPlatform{}}
	take := func(ref gateway.Reference, config []byte) (*ancestorPlatform, error) {
		p, err := newAncestorPlatform(ctx, ref, config)
		if err == nil {
			a.results[p.id] = p
		}
		return p, err
	}
	var err error
	if len(res.Refs) == 0 {
		if image.only, err = take(res.Ref, res.Metadata[exptypes.ExporterImageConfigKey]); err != nil {
			return err
		}
	}
	for name, ref := range res.Refs {
		if image.platform[name], err = take(ref, res.Metadata[exptypes.ExporterImageConfigKey+"/"+name]); err != nil {
			return err
		}
	}
	return a.named(req, image)
}

// named notes an ancestor under all of its references.
func (a *ancestry) named(req *Request, image *ancestor) error {
	for _, ref := range append(slices.Clone(req.Image.Refs), ancestorRef(req.Image.Name)) {
		name, err := NormalRef(ref)
		if err != nil {
			return err
		}
		a.images[name] = image
	}
	return nil
}

func newAncestorPlatform(ctx context.Context, ref gateway.Reference, config []byte) (*ancestorPlatform, error) {
	if ref == nil { // nothing is in it
		return &ancestorPlatform{config: config, id: digest.FromBytes(config)}, nil
	}
	state, err := ref.ToState()
	if err != nil {
		return nil, err
	}
	def, err := state.Marshal(ctx)
	if err != nil {
		return nil, err
	}
	p := &ancestorPlatform{def: def.ToPB(), config: config}
	if len(p.def.Def) == 0 {
		p.def = nil
	} else if p.config, err = withRootFS(config, []string{digest.FromBytes(config).String()}); err != nil {
		return nil, err
	}
	parts := []string{string(p.config)}
	for _, dt := range p.def.GetDef() {
		parts = append(parts, string(dt))
	}
	p.id = digest.Digest(impact.DigestOf("ancestor", parts...))
	return p, nil
}

// on gives an ancestor for a platform; nil is that of this machine.
func (a *ancestor) on(want *ocispecs.Platform) (*ancestorPlatform, error) {
	if a.only != nil {
		return a.only, nil
	}
	p := platforms.Normalize(platforms.DefaultSpec())
	if want != nil {
		p = platforms.Normalize(*want)
	}
	if found, ok := a.platform[platforms.FormatAll(p)]; ok {
		return found, nil
	}
	if found, ok := a.platform[platforms.Format(p)]; ok {
		return found, nil
	}
	return nil, fmt.Errorf("image %s is not built for %s", a.name, platforms.Format(p))
}

// resolve is a reference's image with its config, if it is one of the repository.
func (a *ancestry) resolve(ref string, opt sourceresolver.Opt) (name string, dgst digest.Digest, config []byte, ok bool, err error) {
	name, err = NormalRef(ref)
	if err != nil || a == nil || a.images[name] == nil {
		return "", "", nil, false, nil
	}
	var platform *ocispecs.Platform
	if opt.ImageOpt != nil {
		platform = opt.ImageOpt.Platform
	}
	found, err := a.images[name].on(platform)
	if err != nil {
		return "", "", nil, true, err
	}
	return name, found.id, found.config, true, nil
}

// inPlace is a definition in which the ancestors stand in place of their names.
func (a *ancestry) inPlace(def *pb.Definition) (*pb.Definition, error) {
	if a == nil || len(a.results) == 0 {
		return def, nil
	}
	return rewritten(def, func(op *pb.Op) (bool, *pb.Definition, error) {
		name, ok := strings.CutPrefix(op.GetSource().GetIdentifier(), imageScheme)
		if !ok {
			return false, nil, nil
		}
		named, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			return false, nil, nil
		}
		if pin, ok := named.(reference.Digested); ok && a.results[pin.Digest()] != nil {
			return false, a.results[pin.Digest()].def, nil
		}
		// A named context keeps its tag alone (dockerui.NamedContext).
		if image := a.images[reference.TagNameOnly(named).String()]; image != nil {
			var want *ocispecs.Platform
			if op.Platform != nil {
				want = &ocispecs.Platform{OS: op.Platform.OS, Architecture: op.Platform.Architecture, Variant: op.Platform.Variant, OSVersion: op.Platform.OSVersion, OSFeatures: op.Platform.OSFeatures}
			}
			p, err := image.on(want)
			if err == nil && p.def == nil {
				err = fmt.Errorf("image %s is empty", image.name)
			}
			if err != nil {
				return false, nil, err
			}
			return false, p.def, nil
		}
		return false, nil, nil
	})
}

// ancestorClient is what the frontend makes an ancestor's definition with: it has the
// ancestor's own attributes, and what is warned of was said when that was built.
type ancestorClient struct {
	gateway.Client
	attrs    map[string]string
	of       *Request
	build    *build
	ancestry *ancestry
}

func (c *ancestorClient) BuildOpts() gateway.BuildOpts {
	opts := c.Client.BuildOpts()
	opts.Opts = c.attrs
	return opts
}

func (c *ancestorClient) Solve(ctx context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	var err error
	if req.Definition, err = c.build.placed(req.Definition, c.of, c.ancestry); err != nil {
		return nil, err
	}
	c.build.steps.learnOf(c.of.Image.Name, req.Definition)
	return c.Client.Solve(ctx, req)
}

func (c *ancestorClient) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	if name, dgst, config, ok, err := c.ancestry.resolve(ref, opt); ok {
		return name, dgst, config, err
	}
	return c.Client.ResolveImageConfig(ctx, ref, opt)
}

func (c *ancestorClient) Warn(context.Context, digest.Digest, string, gateway.WarnOpts) error {
	return nil
}

// placed is a definition with the ancestors in it, whose local sources are those of the
// request: a build reads the folders of all of its ancestors.
func (b *build) placed(def *pb.Definition, req *Request, a *ancestry) (*pb.Definition, error) {
	if !b.engine.IsBuilder() {
		return def, nil
	}
	own, err := rewritten(def, func(op *pb.Op) (bool, *pb.Definition, error) {
		name, ok := strings.CutPrefix(op.GetSource().GetIdentifier(), localScheme)
		if !ok {
			return false, nil, nil
		}
		op.GetSource().Identifier = localScheme + b.localName(req, name)
		return true, nil, nil
	})
	if err != nil {
		return nil, err
	}
	return a.inPlace(own)
}

const localScheme = "local://"

// localName is the name of one of a request's local sources. A builder reads those of an
// image in the image's own build and in each that stands on it, and keeps one copy for
// all.
func (b *build) localName(req *Request, name string) string {
	if !b.engine.IsBuilder() || req.Frontend != "" { // which asks for them by itself
		return name
	}
	return name + "-" + strings.TrimPrefix(string(impact.DigestOf("local", req.Image.Name, req.Context.Key)), "sha256:")[:16]
}

// withAncestors are a request and those that it stands on.
func (req *Request) withAncestors() []*Request {
	list := []*Request{req}
	for i := range req.Ancestors {
		list = append(list, &req.Ancestors[i])
	}
	return list
}

// madeAgain are the ancestors whose commands ran once more, with how many: the builder had
// lost them. Steps of other kinds may run each time, and make the same.
func madeAgain(steps []Step) map[string]int {
	ran := map[string]int{}
	for _, s := range steps {
		if s.Of != "" && s.Ran() && strings.Contains(s.Name, "] RUN ") {
			ran[s.Of]++
		}
	}
	return ran
}

// prepareAncestors adds to a build what the builds of its ancestors need.
func (b *build) prepareAncestors(ctx context.Context, so *client.SolveOpt) error {
	for i := range b.req.Ancestors {
		req := &b.req.Ancestors[i]
		if req.Frontend != "" {
			return &impact.Fault{
				Path: req.DockerfileName, Cause: fmt.Sprintf("%s is built on %s, whose frontend %s a builder cannot hand on", b.req.Image.Name, req.Image.Name, req.Frontend),
				Hint: "build on an engine: without --builder and BUILDX_BUILDER",
			}
		}
		attrs, err := b.attrs(ctx, req)
		if err != nil {
			return err
		}
		delete(attrs, "no-cache") // what its own build made is wanted, not another
		if err := b.addContexts(so, req, attrs); err != nil {
			return err
		}
		b.ancestorAttrs = append(b.ancestorAttrs, attrs)
	}
	return nil
}
