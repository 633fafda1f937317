package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/docker/cli/cli/config/configfile"
	buildkit "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"

	"rebuild/impact"
)

// Loading says whether what a builder makes is brought into the engine beside it, which
// then keeps the images as if it had built them.
type Loading int

// LoadIfThere loads where an engine answers, as buildx does, unless BUILDX_NO_DEFAULT_LOAD
// is set. Where Load is asked for, the engine must be there.
const (
	LoadIfThere Loading = iota
	Load
	NoLoad
)

const noLoadVariable = "BUILDX_NO_DEFAULT_LOAD"

// loadsWithin is how long an engine that need not be there has to answer.
const loadsWithin = 2 * time.Second

// beside is the engine that what a builder makes is loaded into; nil when there is none.
func beside(ctx context.Context, o Options, cfg *configfile.ConfigFile) (*Engine, error) {
	if o.Load == LoadIfThere {
		if v := os.Getenv(noLoadVariable); v != "" {
			switch off, err := strconv.ParseBool(v); {
			case err != nil:
				return nil, &impact.Fault{Cause: fmt.Sprintf("%s=%s: neither true nor false", noLoadVariable, v), Hint: "unset " + noLoadVariable}
			case off:
				o.Load = NoLoad
			}
		}
	}
	if o.Load == NoLoad {
		return nil, nil
	}
	ep, err := resolveEndpoint(o, cfg)
	var e *Engine
	if err == nil {
		e, err = connect(ep, o, cfg)
	}
	if o.Load == Load {
		return e, err
	}
	if err != nil { // of an engine that nobody asked for
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, loadsWithin)
	defer cancel()
	if e.ping(ctx) != nil {
		_ = e.Close()
		return nil, nil
	}
	return e, nil
}

// loading is an image on its way from a builder into the engine.
type loading struct {
	stop   context.CancelFunc
	begun  atomic.Bool
	result chan loaded // one, once it has begun
}

type loaded struct {
	id  string // of an image without a name
	err error
}

// loadEntry is the export of an image into the engine's store. One that keeps manifests
// takes a layout of OCI, as buildx gives it (build.toSolveOpt); an archive as docker save
// makes it has an image for one platform alone. The names in it, which are short ones, Podman
// would take for those of localhost: it gets them afterwards.
func (b *build) loadEntry(ctx context.Context, attrs map[string]string) buildkit.ExportEntry {
	ctx, stop := context.WithCancel(ctx)
	l := &loading{stop: stop, result: make(chan loaded, 1)}
	b.load = l
	kind := buildkit.ExporterDocker
	if b.manifestStore {
		kind = buildkit.ExporterOCI
	}
	var refs []string
	if b.intoPodman {
		refs, attrs = b.req.Refs, maps.Clone(attrs)
		delete(attrs, "name")
	}
	return buildkit.ExportEntry{Type: kind, Attrs: attrs, Output: func(map[string]string) (io.WriteCloser, error) {
		archive, w := io.Pipe()
		l.begun.Store(true)
		go func() {
			step := newOwnStep(loadingStep, b.status)
			id, err := b.engine.loadFrom(ctx, archive)
			for _, ref := range refs {
				if err == nil {
					err = b.engine.tag(ctx, id, ref)
				}
			}
			_ = archive.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // who still writes is told
			step.end(err)
			l.result <- loaded{id, err}
		}()
		return w, nil
	}}
}

const loadingStep = "loading into the engine"

// finish waits until the engine has the image; unless the build succeeded, until it has
// given up.
func (l *loading) finish(built bool) (id string, err error) {
	if l == nil {
		return "", nil
	}
	defer l.stop()
	switch {
	case !l.begun.Load() && built: // the engine would be asked for what it had before
		return "", errors.New("the builder gave no image to load")
	case !l.begun.Load():
		return "", nil
	case !built:
		l.stop()
	}
	r := <-l.result
	return r.id, r.err
}

// loadFrom loads an archive of one image.
func (e *Engine) loadFrom(ctx context.Context, archive io.Reader) (id string, err error) {
	res, err := e.api.ImageLoad(ctx, archive)
	if cause := archiveFault(err); cause != "" {
		return "", fmt.Errorf("load the image: %s", cause)
	}
	if err != nil {
		return "", e.failed(ctx, "load the image", err)
	}
	defer res.Body.Close()
	for dec := json.NewDecoder(res.Body); ; {
		var line struct {
			Stream, Error string
		}
		switch err := dec.Decode(&line); {
		case errors.Is(err, io.EOF):
			return id, nil
		case err != nil:
			return "", e.failed(ctx, "load the image", err)
		case line.Error != "":
			return "", fmt.Errorf("load the image: %s", line.Error)
		}
		if name, ok := loadedID(line.Stream); ok {
			id = name
		}
	}
}

// tag gives an image a reference, which no other has any more.
func (e *Engine) tag(ctx context.Context, id, ref string) error {
	if err := e.api.ImageTag(ctx, id, ref); err != nil {
		return e.failed(ctx, "tag "+ref, err)
	}
	return nil
}

// loadedID is the id that an engine says of an image without a name: Docker with "Loaded
// image ID: ", Podman with the words that it has for a name, too.
func loadedID(line string) (id string, ok bool) {
	said, ok := strings.CutPrefix(strings.TrimSpace(line), "Loaded image")
	if !ok {
		return "", false
	}
	if _, id, _ = strings.Cut(said, ": "); !strings.HasPrefix(id, "sha256:") {
		return "", false
	}
	return id, true
}

// archiveFault is what Podman found wrong with an archive, "" for any other error. It tries
// an archive as each form that it knows, and says of each why it is none
// (libimage.Runtime.Load).
func archiveFault(err error) string {
	if err == nil {
		return ""
	}
	_, said, _ := strings.Cut(err.Error(), "* docker-archive: ")
	said, _, _ = strings.Cut(said, "\n")
	return said
}

// exports are where an image goes that a builder makes: to the engine, to a registry, or
// nowhere but the builder's own store.
func (b *build) exports(ctx context.Context, attrs map[string]string) []buildkit.ExportEntry {
	var list []buildkit.ExportEntry
	if b.engine.HasStore() {
		list = append(list, b.loadEntry(ctx, attrs))
	}
	if push := b.req.Push && len(b.req.Refs) > 0; push || len(list) == 0 {
		image := maps.Clone(attrs)
		if push {
			image[string(exptypes.OptKeyPush)] = "true"
		}
		list = append(list, buildkit.ExportEntry{Type: buildkit.ExporterImage, Attrs: image})
	}
	return list
}
