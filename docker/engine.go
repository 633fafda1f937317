// Package docker builds one image: it connects to the engine that the user's docker
// command talks to, or to a buildkitd, shows the progress of many builds at once, and
// says where a build failed.
//
// It promises that a build which is cancelled ends within a second, that what the engine
// would silently ignore is refused, and that nothing is removed by force.
package docker

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/client"
	"github.com/moby/buildkit/session/auth/authprovider"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"rebuild/impact"
)

var (
	// ErrNoImage says that the engine does not have an image.
	ErrNoImage = errors.New("no such image")
	// ErrInUse says that an image cannot be removed, because something uses it.
	ErrInUse = errors.New("image is in use")
	// ErrNoStore says that a builder has no image store to ask or to change.
	ErrNoStore = errors.New("a builder has no image store")
)

// Engine is a connection to a Docker engine, or to a buildkitd (see
// Options.Builder). Its methods may be called concurrently.
type Engine struct {
	endpoint endpoint
	silence  silence
	api      *client.Client // nil where there is none beside the builder
	builder  *endpoint      // what builds instead of the engine; nil: nothing
	config   *configfile.ConfigFile

	cutOff sync.Map // Request.ID -> *following, of builds that were cut off

	mu   sync.Mutex // guards self
	self *self      // what the engine says of itself, once it was asked
}

// Connect prepares the connection. The engine itself is first called when
// something is asked of it, but for the one that a builder's images may be loaded into.
func Connect(ctx context.Context, o Options) (*Engine, error) {
	if err := refusedByEnvironment(); err != nil {
		return nil, err
	}
	cfg, err := config.Load("")
	if err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	ep, isEngine, err := chosen(o, cfg)
	if err != nil {
		return nil, err
	}
	if isEngine {
		if o.Load == Load {
			return nil, &impact.Fault{Cause: "--load is for a builder: an engine has what it builds", Hint: "leave --load out, or name a builder: docker buildx ls"}
		}
		return connect(ep, o, cfg)
	}
	e, err := beside(ctx, o, cfg)
	if err != nil {
		return nil, err
	}
	if e == nil {
		e = &Engine{config: cfg}
	}
	e.builder = &ep
	return e, nil
}

// connect prepares the connection to an engine.
func connect(ep endpoint, o Options, cfg *configfile.ConfigFile) (*Engine, error) {
	timeout := cmp.Or(o.Timeout, AnswersWithin)
	api, err := client.NewClientWithOpts(ep.clientOpts(cfg, timeout)...)
	if err != nil {
		return nil, fmt.Errorf("docker host %q: %w", ep.host, err)
	}
	return &Engine{endpoint: ep, silence: silence{timeout: timeout}, api: api, config: cfg}, nil
}

// chosen is what builds: the builder or the engine that is asked for, the builder that
// BUILDX_BUILDER names or "docker buildx use" chose, which docker build follows, too, or the
// engine that the docker command talks to.
func chosen(o Options, cfg *configfile.ConfigFile) (ep endpoint, isEngine bool, err error) {
	asked, from := o.Builder, "--builder"
	if asked == "" && o.Host == "" && o.Context == "" {
		if asked, from = os.Getenv(builderVariable), builderVariable; asked == "" {
			from = "docker buildx use"
			if asked, err = usedBuilder(o, cfg); err != nil {
				return endpoint{}, false, err
			}
		}
	}
	if asked != "" {
		return builderEndpoint(asked, from)
	}
	ep, err = resolveEndpoint(o, cfg)
	return ep, true, err
}

func (ep endpoint) clientOpts(cfg *configfile.ConfigFile, timeout time.Duration) []client.Opt {
	transport := &http.Transport{ResponseHeaderTimeout: timeout}
	list := []client.Opt{client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect})}
	switch {
	case ep.dial != nil:
		transport.DialContext = ep.dial
		list = append(list, client.WithHost(ep.url), client.WithDialContext(ep.dial))
	case ep.tls != nil:
		transport.TLSClientConfig = ep.tls
		transport.DialContext = (&net.Dialer{KeepAlive: 30 * time.Second, Timeout: timeout}).DialContext
		list = append(list, client.WithHost(ep.host))
	default:
		list = append(list, client.WithHost(ep.host))
	}
	if len(cfg.HTTPHeaders) > 0 {
		list = append(list, client.WithHTTPHeaders(cfg.HTTPHeaders))
	}
	return append(list, client.WithVersionFromEnv(), client.WithAPIVersionNegotiation())
}

// buildKit is where BuildKit is reached.
func (e *Engine) buildKit() endpoint {
	if e.builder != nil {
		return *e.builder
	}
	return e.endpoint
}

// Host is the address of what builds.
func (e *Engine) Host() string { return e.buildKit().host }

// IsBuilder tells whether a buildkitd builds, which takes no image from a store.
func (e *Engine) IsBuilder() bool { return e.builder != nil }

// HasStore tells whether there is an engine that keeps what is built.
func (e *Engine) HasStore() bool { return e.api != nil }

// ID names the engine, wherever it is reached from; a builder is named by its
// address or its name, with the engine that its images are loaded into.
func (e *Engine) ID(ctx context.Context) (string, error) {
	id := ""
	if e.builder != nil {
		id = e.builder.host
		if e.builder.named {
			id = "builder " + id
		}
		if !e.HasStore() {
			return id, nil
		}
		id += " and "
	}
	about, err := e.about(ctx)
	if err != nil {
		return "", err
	}
	return id + cmp.Or(about.id(), e.endpoint.host), nil
}

// Version is the engine's version; "" where there is none.
func (e *Engine) Version(ctx context.Context) (string, error) {
	if !e.HasStore() {
		return "", nil
	}
	about, err := e.about(ctx)
	if err != nil {
		return "", err
	}
	return about.info.ServerVersion, nil
}

// buildKitVersion is the version of the engine whose BuildKit builds, for people: that it
// cannot be had is no second error.
func (e *Engine) buildKitVersion(ctx context.Context) string {
	if e.IsBuilder() {
		return ""
	}
	version, _ := e.Version(ctx)
	return version
}

// manifestStore tells whether images are named by their manifest (the containerd
// image store), not by their config.
func (e *Engine) manifestStore(ctx context.Context) (bool, error) {
	if !e.HasStore() {
		return true, nil
	}
	about, err := e.about(ctx)
	if err != nil {
		return false, err
	}
	for _, pair := range about.info.DriverStatus {
		if pair[0] == "driver-type" && strings.HasPrefix(pair[1], "io.containerd.snapshotter") {
			return true, nil
		}
	}
	return false, nil
}

// Images lists what the engine holds, in one call.
func (e *Engine) Images(ctx context.Context) (Images, error) {
	if !e.HasStore() {
		return Images{}, nil
	}
	if err := e.meet(ctx); err != nil {
		return Images{}, e.failed(ctx, "list images", err)
	}
	list, err := e.list(ctx)
	if err != nil {
		return Images{}, e.failed(ctx, "list images", err)
	}
	images := make([]Image, len(list))
	for i, im := range list {
		images[i] = Image{ID: im.ID, Tags: im.RepoTags, Digests: im.RepoDigests}
	}
	return NewImages(images), nil
}

// Inspect gives an image by its id or a reference.
func (e *Engine) Inspect(ctx context.Context, ref string) (Image, error) {
	if !e.HasStore() {
		return Image{}, fmt.Errorf("inspect %s: %w", ref, ErrNoStore)
	}
	found, err := answered(ctx, &e.silence, func(ctx context.Context) (image.InspectResponse, error) { return e.api.ImageInspect(ctx, ref) })
	if err != nil {
		return Image{}, e.failed(ctx, "inspect "+ref, err)
	}
	spec := dockerspec.DockerOCIImage{Image: ocispecs.Image{
		Author: found.Author,
		Platform: ocispecs.Platform{
			Architecture: found.Architecture, OS: found.Os, OSVersion: found.OsVersion, Variant: found.Variant,
		},
		RootFS: ocispecs.RootFS{Type: found.RootFS.Type},
	}}
	if found.Config != nil {
		spec.Config = *found.Config
	}
	if created, err := time.Parse(time.RFC3339Nano, found.Created); err == nil {
		spec.Created = &created
	}
	for _, layer := range found.RootFS.Layers {
		spec.RootFS.DiffIDs = append(spec.RootFS.DiffIDs, digest.Digest(layer))
	}
	cfg, err := json.Marshal(spec)
	if err != nil {
		return Image{}, fmt.Errorf("inspect %s: %w", ref, err)
	}
	return Image{ID: found.ID, Config: cfg, Chain: found.RootFS.Layers, Tags: found.RepoTags}, nil
}

// Remove takes an image away, by its id. Nothing is forced: ErrInUse says that
// something needs it, ErrNoImage that it is gone already.
func (e *Engine) Remove(ctx context.Context, id string) error {
	if !e.HasStore() {
		return fmt.Errorf("remove %s: %w", id, ErrNoStore)
	}
	_, err := e.api.ImageRemove(ctx, id, image.RemoveOptions{})
	if err != nil {
		return e.failed(ctx, "remove "+id, err)
	}
	return nil
}

// RemoveUntagged removes an image if it still has no tag. By its id alone, one that was
// tagged in the meantime would go together with its tag. gone is false when something
// needs it.
func (e *Engine) RemoveUntagged(ctx context.Context, id string) (gone bool, err error) {
	im, err := e.Inspect(ctx, id)
	if err == nil && len(im.Tags) > 0 {
		return false, nil
	}
	if err == nil {
		err = e.Remove(ctx, id)
	}
	switch {
	case errors.Is(err, ErrInUse):
		return false, nil
	case errors.Is(err, ErrNoImage):
		return true, nil
	}
	return err == nil, err
}

// push sends an image to its registry, with the credentials of the docker
// command. Lines of its progress go to report.
func (e *Engine) push(ctx context.Context, ref string, report func(id, status string)) error {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return fmt.Errorf("push %s: %w", ref, err)
	}
	key := reference.Domain(named)
	if key == "docker.io" {
		key = authprovider.DockerHubConfigfileKey
	}
	creds, err := e.config.GetAuthConfig(key)
	if err != nil {
		return fmt.Errorf("push %s: credentials: %w", ref, err)
	}
	header, err := json.Marshal(registry.AuthConfig{
		Username: creds.Username, Password: creds.Password, Auth: creds.Auth,
		ServerAddress: creds.ServerAddress, IdentityToken: creds.IdentityToken, RegistryToken: creds.RegistryToken,
	})
	if err != nil {
		return fmt.Errorf("push %s: %w", ref, err)
	}
	body, err := e.api.ImagePush(ctx, named.String(), image.PushOptions{RegistryAuth: base64.URLEncoding.EncodeToString(header)})
	if err != nil {
		return e.failed(ctx, "push "+ref, err)
	}
	defer body.Close()
	for dec := json.NewDecoder(bufio.NewReader(body)); ; {
		var line struct {
			ID, Status, Error string
		}
		switch err := dec.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return e.failed(ctx, "push "+ref, err)
		case line.Error != "":
			return fmt.Errorf("push %s: %s", ref, line.Error)
		}
		report(line.ID, line.Status)
	}
}

// hijack opens a raw connection to one of the engine's endpoints.
func (e *Engine) hijack(ctx context.Context, path, proto string, meta map[string][]string) (net.Conn, error) {
	if err := e.meet(ctx); err != nil {
		return nil, err
	}
	return e.silence.within(ctx, func() (net.Conn, error) { return e.api.DialHijack(ctx, path, proto, meta) })
}

// ping tells whether the engine is there.
func (e *Engine) ping(ctx context.Context) error {
	_, err := e.api.Ping(ctx)
	return err
}

// Close drops what connections are kept.
func (e *Engine) Close() error {
	if !e.HasStore() {
		return nil
	}
	return e.api.Close()
}

// errNoEngine says that something answers which is no Docker engine.
var errNoEngine = errors.New("what answers there is no docker engine")

// whole is the error of a question about the whole engine: one that does not know the
// question is none.
func whole(err error) error {
	if cerrdefs.IsNotFound(err) {
		return fmt.Errorf("%w: %v", errNoEngine, err)
	}
	return err
}

// httpsServer is what a TLS port says to one who speaks plain HTTP (Go's net/http, which
// the engine serves with).
const httpsServer = "Client sent an HTTP request to an HTTPS server"

// failed says what was attempted, and types what callers decide by.
func (e *Engine) failed(ctx context.Context, what string, err error) error {
	var netErr net.Error
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	case client.IsErrConnectionFailed(err), errors.Is(err, errNoEngine), errors.Is(err, errSilent), strings.Contains(err.Error(), httpsServer),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.As(err, &netErr):
		return e.endpoint.unreachable(e.silence.worded(err))
	case isGone(err):
		return fmt.Errorf("%s: %w", what, ErrNoImage)
	case cerrdefs.IsConflict(err):
		return fmt.Errorf("%s: %w: %v", what, ErrInUse, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
