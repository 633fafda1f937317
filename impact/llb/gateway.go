package llb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	fstypes "github.com/tonistiigi/fsutil/types"

	"rebuild/impact"
)

// gatewayClient stands where a BuildKit would when the frontend converts a
// Dockerfile: it answers from a tree and from the catalog, and executes nothing.
type gatewayClient struct {
	opts    map[string]string
	dirs    map[string]string // local source -> folder of the tree
	src     dockerfile
	read    impact.ReadFile
	resolve impact.Resolve

	of impact.Image

	mu       sync.Mutex
	resolved map[string]bool   // guarded by mu: references asked for
	unknown  map[string]bool   // guarded by mu: those of them whose config nobody knows
	ignores  map[string]string // guarded by mu: local source -> the ignore file read
}

func newGateway(im impact.Image, src dockerfile, read impact.ReadFile, resolve impact.Resolve) (*gatewayClient, error) {
	attrs, err := planAttrs(im)
	if err != nil {
		return nil, &impact.Fault{Path: im.Origin, Cause: fmt.Sprintf("image %s: %v", im.Name, err)}
	}
	return &gatewayClient{
		opts:     attrs,
		dirs:     LocalContexts(im),
		src:      src,
		read:     read,
		resolve:  resolve,
		resolved: map[string]bool{},
		unknown:  map[string]bool{},
		ignores:  map[string]string{},
		of:       im,
	}, nil
}

// The plan follows the linked BuildKit, so it offers all that it knows.
var (
	caps        = sync.OnceValue(func() apicaps.CapSet { return pb.Caps.CapSet(pb.Caps.All()) })
	gatewayCaps = sync.OnceValue(func() apicaps.CapSet { return gwpb.Caps.CapSet(gwpb.Caps.All()) })
)

func (g *gatewayClient) BuildOpts() gateway.BuildOpts {
	// Images are built for the engine's own kind of machine unless they say
	// otherwise; Docker's engines run Linux, also beside macOS and Windows.
	native := platforms.Normalize(ocispecs.Platform{OS: "linux", Architecture: runtime.GOARCH})
	return gateway.BuildOpts{
		Opts:    g.opts,
		Workers: []gateway.WorkerInfo{{Platforms: []ocispecs.Platform{native}}},
		LLBCaps: caps(),
		Caps:    gatewayCaps(),
	}
}

// Solve is asked for local sources only, to read the Dockerfile and ignore files
// from.
func (g *gatewayClient) Solve(ctx context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	for _, dt := range req.Definition.GetDef() {
		var op pb.Op
		if err := op.Unmarshal(dt); err != nil {
			return nil, err
		}
		if name, ok := strings.CutPrefix(op.GetSource().GetIdentifier(), "local://"); ok {
			res := gateway.NewResult()
			res.SetRef(&localRef{g: g, local: name})
			return res, nil
		}
	}
	return nil, errors.New("only local sources can be read while planning")
}

func (g *gatewayClient) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", "", nil, err
	}
	ref = reference.TagNameOnly(named).String()
	g.mu.Lock()
	g.resolved[ref] = true
	g.mu.Unlock()
	platform := ""
	if opt.ImageOpt != nil && opt.ImageOpt.Platform != nil {
		platform = platforms.Format(*opt.ImageOpt.Platform)
	}
	base, err := g.resolve(ctx, ref, platform)
	if err != nil {
		return "", "", nil, err
	}
	if f := checkBase(g.of, g.src, base.Config); f != nil {
		return "", "", nil, f
	}
	if base.Unjudged {
		g.mu.Lock()
		g.unknown[ref] = true
		g.mu.Unlock()
	}
	return ref, "", base.Config, nil
}

// unjudged tells whether an image takes more than files from one whose config nobody
// knows: that may say what to read (ONBUILD), and where (ENV).
func (g *gatewayClient) unjudged(graph *impact.Graph) bool {
	return slices.ContainsFunc(graph.Layers, func(l impact.Layer) bool { return g.unknown[l.From] && !l.FilesOnly })
}

func (g *gatewayClient) ResolveSourceMetadata(ctx context.Context, op *pb.SourceOp, opt sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	ref, ok := strings.CutPrefix(op.Identifier, "docker-image://")
	if !ok {
		return &sourceresolver.MetaResponse{Op: op}, nil
	}
	ref, dgst, config, err := g.ResolveImageConfig(ctx, ref, opt)
	if err != nil {
		return nil, err
	}
	return &sourceresolver.MetaResponse{
		Op:    &pb.SourceOp{Identifier: "docker-image://" + ref, Attrs: op.Attrs},
		Image: &sourceresolver.ResolveImageResponse{Digest: dgst, Config: config},
	}, nil
}

func (g *gatewayClient) Inputs(context.Context) (map[string]llb.State, error) { return nil, nil }

func (g *gatewayClient) NewContainer(context.Context, gateway.NewContainerRequest) (gateway.Container, error) {
	return nil, errors.New("no container runs while planning")
}

func (g *gatewayClient) Warn(context.Context, digest.Digest, string, gateway.WarnOpts) error {
	return nil
}

// references lists what was resolved, sorted.
func (g *gatewayClient) references() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(maps.Keys(g.resolved))
}

// unusedContexts warns of a derived image's replacement that no FROM asked for:
// such an image is silently the one that it was derived from.
func (g *gatewayClient) unusedContexts() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var warnings []string
	for _, c := range g.of.Contexts {
		if c.Ref == "" || !strings.ContainsAny(c.Name, ":/") {
			continue
		}
		if named, err := reference.ParseNormalizedNamed(c.Ref); err == nil && !g.resolved[reference.TagNameOnly(named).String()] {
			warnings = append(warnings, fmt.Sprintf("%s: image %s: %q is to be replaced by %q, but no instruction refers to it", g.src.path, g.of.Name, c.Name, c.Ref))
		}
	}
	return warnings
}

// localRef reads single files of a local source.
type localRef struct {
	g     *gatewayClient
	local string
}

func (r *localRef) ReadFile(ctx context.Context, req gateway.ReadRequest) ([]byte, error) {
	dt, file, err := r.find(ctx, req.Filename)
	if err != nil {
		return nil, err
	}
	if len(dt) == 0 {
		return nil, nil // as it comes over the wire; the frontend takes an empty NAME.dockerignore for none
	}
	if strings.HasSuffix(req.Filename, ".dockerignore") {
		local := r.local
		if local == "dockerfile" {
			local = "context" // NAME.dockerignore speaks of the build context
		}
		r.g.mu.Lock()
		r.g.ignores[local] = file
		r.g.mu.Unlock()
	}
	return dt, nil
}

func (r *localRef) find(ctx context.Context, name string) ([]byte, string, error) {
	if r.local == "dockerfile" {
		switch {
		case name == r.g.opts["filename"]:
			return r.g.src.bytes(), r.g.src.path, nil
		case r.g.src.inline || !strings.HasSuffix(name, ".dockerignore"):
			return nil, "", fs.ErrNotExist
		}
		file := r.g.src.path + ".dockerignore"
		dt, err := r.g.read(ctx, file)
		return dt, file, err
	}
	dir, ok := r.g.dirs[r.local]
	if !ok {
		return nil, "", fs.ErrNotExist
	}
	file := path.Join(dir, name)
	dt, err := r.g.read(ctx, file)
	return dt, file, err
}

func (r *localRef) StatFile(ctx context.Context, req gateway.StatRequest) (*fstypes.Stat, error) {
	dt, _, err := r.find(ctx, req.Path)
	if err != nil {
		return nil, err
	}
	return &fstypes.Stat{Path: req.Path, Mode: 0o644, Size: int64(len(dt))}, nil
}

func (r *localRef) ReadDir(context.Context, gateway.ReadDirRequest) ([]*fstypes.Stat, error) {
	return nil, os.ErrNotExist
}
func (r *localRef) ToState() (llb.State, error)    { return llb.Scratch(), nil }
func (r *localRef) Evaluate(context.Context) error { return nil }

// AssumedBase stands for an external image that nobody has seen yet: a Linux
// image with nothing set but PATH. Its key is its reference.
func AssumedBase(ref, platform string) impact.Base {
	key := impact.Digest(digest.FromString("external " + ref + " " + platform))
	return impact.Base{Key: key, Config: BaseConfig(nil, key)}
}

// BaseConfig makes the config that a child is given of an image whose root
// filesystem has a key: the config given (none: an empty Linux image), with that
// key as its only layer. Without a diff id the frontend takes an image for
// scratch and the FROM vertex vanishes (dockerfile2llb/convert.go).
func BaseConfig(config []byte, key impact.Digest) []byte {
	var m map[string]any
	if json.Unmarshal(config, &m) != nil || m == nil {
		m = map[string]any{
			"os":           "linux",
			"architecture": runtime.GOARCH,
			"config":       map[string]any{"Env": []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}},
		}
	}
	delete(m, "rootfs")
	if key != "" {
		m["rootfs"] = map[string]any{"type": "layers", "diff_ids": []string{string(digest.FromString(string(key)))}}
	}
	dt, err := json.Marshal(m)
	if err != nil {
		return config // cannot be: it came from JSON
	}
	return dt
}
