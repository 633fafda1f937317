package docker

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync/atomic"

	buildkit "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/util/contentutil"
)

// loading is an image on its way from a builder into the engine.
type loading struct {
	stop   context.CancelFunc
	begun  atomic.Bool
	result chan loaded // one, once it has begun
	layers *inbound    // nil: all layers travel
}

type loaded struct {
	id  string // of an image without a name
	err error
}

// loadEntry is the export of an image into the engine's store. A classic store gets the
// layers that it lacks. One that keeps manifests gets all of them: it says that an image
// is loaded whose layers it has nowhere, and gives it the name. Podman refuses an archive
// without a layer.
func (b *build) loadEntry(ctx context.Context, attrs map[string]string) buildkit.ExportEntry {
	if !b.manifestStore && !b.intoPodman && b.link.tellsDiffIDs(ctx) {
		return b.layersEntry(ctx, attrs)
	}
	return b.wholeEntry(ctx, attrs)
}

// wholeEntry is the export of an image with all of its layers. A store that keeps manifests
// takes a layout of OCI, as buildx gives it (build.toSolveOpt); an archive as docker save
// makes it has an image for one platform alone. The names in it, which are short ones, Podman
// would take for those of localhost: it gets them afterwards.
func (b *build) wholeEntry(ctx context.Context, attrs map[string]string) buildkit.ExportEntry {
	ctx = b.newLoading(ctx)
	l := b.load
	kind := buildkit.ExporterDocker
	if b.manifestStore {
		kind = buildkit.ExporterOCI
	}
	if b.intoPodman {
		attrs = maps.Clone(attrs)
		delete(attrs, "name")
	}
	return buildkit.ExportEntry{Type: kind, Attrs: attrs, Output: func(map[string]string) (io.WriteCloser, error) {
		return l.begin(ctx, b), nil
	}}
}

// layersEntry is the export of the layers of an image that the engine lacks.
func (b *build) layersEntry(ctx context.Context, attrs map[string]string) buildkit.ExportEntry {
	ctx = b.newLoading(ctx)
	l := b.load
	l.layers = &inbound{
		Buffer: contentutil.NewBuffer(), ordered: make(chan struct{}), names: b.req.Refs, held: b.held, diffID: b.link.diffID,
		begin: func() io.WriteCloser { return l.begin(ctx, b) },
	}
	attrs = maps.Clone(attrs)
	attrs["tar"] = "false"
	return buildkit.ExportEntry{Type: buildkit.ExporterDocker, Attrs: attrs, OutputStore: l.layers}
}

// newLoading makes ready to load the image that b builds, until the context that it gives ends.
func (b *build) newLoading(ctx context.Context) context.Context {
	ctx, stop := context.WithCancel(ctx)
	b.load = &loading{stop: stop, result: make(chan loaded, 1)}
	return ctx
}

const loadingStep = "loading into the engine"

// begin has the engine load what is written.
func (l *loading) begin(ctx context.Context, b *build) io.WriteCloser {
	archive, w := io.Pipe()
	l.begun.Store(true)
	// A request that is given up ends once its body does (net/http's persistConn.mapRoundTripError).
	given := context.AfterFunc(ctx, func() { _ = archive.CloseWithError(context.Cause(ctx)) })
	go func() {
		defer given()
		step := newOwnStep(loadingStep, b.status)
		id, err := b.engine.loadFrom(ctx, archive)
		if b.intoPodman {
			for _, ref := range b.req.Refs {
				if err == nil {
					err = b.engine.tag(ctx, id, ref)
				}
			}
		}
		switch {
		case l.lost(ctx, err):
			step.report("", "the engine lost layers that it had: all of them are loaded")
			step.end(nil)
		default:
			if l.layers != nil && err == nil {
				step.report("", l.layers.String())
			}
			step.end(err)
		}
		l.result <- loaded{id, err}
		_ = archive.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // who still writes is told
	}()
	return w
}

// lost tells whether an image was not loaded because its archive lacks layers: the engine
// had them when it was asked. A classic store then changes nothing.
func (l *loading) lost(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() == nil && !errors.As(err, new(*Unreachable)) && l != nil && l.layers != nil && l.layers.missing.Load() > 0
}

// finish waits until the engine has the image; unless the build succeeded, until it has
// given up. The error is the engine's own where that is why the build did not succeed.
func (l *loading) finish(ctx context.Context, built bool) (id string, err error) {
	if l == nil {
		return "", nil
	}
	defer l.stop()
	switch {
	case !l.begun.Load() && !built:
		return "", nil
	case !l.begun.Load(), built && l.layers != nil && !l.layers.whole.Load(): // the engine would be asked for what it had before
		return "", errors.New("the builder gave no image to load")
	case !built && l.layers != nil:
		select {
		case r := <-l.result:
			if l.lost(ctx, r.err) {
				return "", nil
			}
			return "", r.err
		default:
		}
	}
	if !built {
		l.stop()
		<-l.result
		return "", nil
	}
	r := <-l.result
	return r.id, r.err
}

// loadWhole loads an image of which the engine has lost layers, with all of them. The builder
// has built it, and what is pushed is.
func (b *build) loadWhole(ctx context.Context, so buildkit.SolveOpt) (id string, err error) {
	warnings := b.warnings
	defer func() { b.warnings = warnings }() // they were given
	attrs := maps.Clone(so.Exports[0].Attrs)
	delete(attrs, "tar")
	so.Ref = rand.Text() // BuildKit keeps that of a build that has ended for some seconds
	so.Exports = []buildkit.ExportEntry{b.wholeEntry(ctx, attrs)}
	so.CacheExports = nil
	so.FrontendAttrs = maps.Clone(so.FrontendAttrs)
	delete(so.FrontendAttrs, "no-cache")
	_, err = b.solve(ctx, so)
	id, loadErr := b.load.finish(ctx, err == nil)
	return id, cmp.Or(err, loadErr)
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
