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
	builders []endpoint     // that build instead of the engine
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
	eps, err := chosen(o, cfg)
	if err != nil {
		return nil, err
	}
	if !eps[0].builder {
		if o.Load == Load {
			return nil, &impact.Fault{Cause: "--load is for a builder: an engine has what it builds", Hint: "leave --load out, or name a builder: docker buildx ls"}
		}
		return connect(eps[0], o, cfg)
	}
	e, err := beside(ctx, o, cfg)
	if err != nil {
		return nil, err
	}
	if e == nil {
		e = &Engine{config: cfg, silence: silence{timeout: cmp.Or(o.Timeout, AnswersWithin)}}
	}
	e.builders = eps
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

// chosen is what builds: the builders or the engine that are asked for, the builder that
// BUILDX_BUILDER names or "docker buildx use" chose, which docker build follows, too, or the
// engine that the docker command talks to. There is at least one; an engine is the only one.
func chosen(o Options, cfg *configfile.ConfigFile) ([]endpoint, error) {
	asked, from := o.Builders, "--builder"
	if len(asked) == 0 && o.Host == "" && o.Context == "" {
		name := os.Getenv(builderVariable)
		if from = builderVariable; name == "" {
			from = "docker buildx use"
			var err error
			if name, err = usedBuilder(o, cfg); err != nil {
				return nil, err
			}
		}
		if name != "" {
			asked = []string{name}
		}
	}
	if len(asked) > 0 {
		return builderEndpoints(asked, from)
	}
	ep, err := resolveEndpoint(o, cfg)
	return []endpoint{ep}, err
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

// Host is the address of what builds; of the first of several builders.
func (e *Engine) Host() string { return e.builderAt("").host }

// IsBuilder tells whether a buildkitd builds, which takes no image from a store.
func (e *Engine) IsBuilder() bool { return len(e.builders) > 0 }

// HasStore tells whether there is an engine that keeps what is built.
func (e *Engine) HasStore() bool { return e.api != nil }

// ID names the engine, wherever it is reached from; builders are named by their
// addresses or their names, with the engine that their images are loaded into.
func (e *Engine) ID(ctx context.Context) (string, error) {
	id := ""
	if e.IsBuilder() {
		id = e.builderID()
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
	return about.isManifestStore(), nil
}

// Images lists what the engine holds, in one call.
func (e *Engine) Images(ctx context.Context) (Images, error) {
	if !e.HasStore() {
		return Images{}, nil
	}
	list, err := e.imageList(ctx)
	if err != nil {
		return Images{}, err
	}
	return NewImages(list), nil
}

func (e *Engine) imageList(ctx context.Context) ([]Image, error) {
	if err := e.meet(ctx); err != nil {
		return nil, e.failed(ctx, "list images", err)
	}
	list, err := e.list(ctx)
	if err != nil {
		return nil, e.failed(ctx, "list images", err)
	}
	images := make([]Image, len(list))
	for i, im := range list {
		images[i] = Image{ID: im.ID, Tags: im.RepoTags, Digests: im.RepoDigests}
	}
	return images, nil
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
