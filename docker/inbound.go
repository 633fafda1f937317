package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/containerd/containerd/v2/core/content"
	cerrdefs "github.com/containerd/errdefs"
	units "github.com/docker/go-units"
	"github.com/moby/buildkit/util/contentutil"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"rebuild/impact/safefile"
)

// inbound is the store that a builder copies an image into (BuildKit's exporter/oci with
// tar=false). A layer that the engine has it claims to have, so that it does not travel;
// another one goes into an archive for the engine as it comes, and is kept nowhere.
//
// A layer may be missing from the archive when those below it are the engine's, too. Their
// order is known from the config, which BuildKit copies beside the layers (contentutil.CopyChain, and
// json has a place of its own in resolver/limited): layers wait for it. The manifest comes
// when all else is there.
type inbound struct {
	contentutil.Buffer // config and manifest

	names  []string                                                    // of the image
	begin  func() io.WriteCloser                                       // where the archive goes; called once
	held   func(ctx context.Context, diffIDs []digest.Digest) int      // how many layers the engine has, from the lowest on
	diffID func(ctx context.Context, blob digest.Digest) digest.Digest // of what a layer's blob holds, "": not known

	begun   atomic.Bool
	ordered chan struct{} // closed when the four below are set
	archive *archive
	config  []byte
	diffIDs []digest.Digest
	has     int // of held

	seen    sync.Map     // digest.Digest -> true, of the layers that came
	missing atomic.Int32 // layers that the archive lacks
	taken   atomic.Int32 // layers that it holds
	bytes   atomic.Int64 // of those
	whole   atomic.Bool  // the image is in the archive
}

// Writer begins to take a blob. The error is cerrdefs.ErrAlreadyExists for a layer that the
// engine has.
func (in *inbound) Writer(ctx context.Context, opts ...content.WriterOpt) (content.Writer, error) {
	var o content.WriterOpts
	for _, opt := range opts {
		if err := opt(&o); err != nil {
			return nil, err
		}
	}
	kind, _, _ := strings.Cut(o.Ref, "-") // containerd's remotes.MakeRefKey: no more is told of what it is
	switch kind {
	case "config":
		return in.keep(ctx, o.Desc, in.order, opts)
	case "manifest":
		return in.keep(ctx, o.Desc, in.end, opts)
	}
	return in.layer(ctx, o.Desc)
}

// keep takes a blob into memory.
func (in *inbound) keep(ctx context.Context, desc ocispecs.Descriptor, then func(context.Context, []byte) error, opts []content.WriterOpt) (content.Writer, error) {
	if desc.Size > safefile.Text {
		return nil, fmt.Errorf("%s has %d bytes, and no config or manifest has", desc.Digest, desc.Size)
	}
	w, err := in.Buffer.Writer(ctx, opts...)
	if err != nil {
		return nil, err
	}
	return &kept{Writer: w, store: in, desc: desc, then: then}, nil
}

// kept is a blob that is used once it is there.
type kept struct {
	content.Writer
	store *inbound
	desc  ocispecs.Descriptor
	then  func(context.Context, []byte) error
}

// Commit implements content.Writer.
func (k *kept) Commit(ctx context.Context, size int64, expected digest.Digest, opts ...content.Opt) error {
	if err := k.Writer.Commit(ctx, size, expected, opts...); err != nil {
		return err
	}
	data, err := content.ReadBlob(ctx, k.store.Buffer, k.desc)
	if err != nil {
		return err
	}
	return k.then(ctx, data)
}

// order begins the archive: the layers and their order are known.
func (in *inbound) order(ctx context.Context, config []byte) error {
	var image ocispecs.Image
	if err := json.Unmarshal(config, &image); err != nil {
		return fmt.Errorf("config of the image: %w", err)
	}
	if in.begun.Swap(true) {
		return errors.New("the image has two configs")
	}
	in.config, in.diffIDs = config, image.RootFS.DiffIDs
	in.has = in.held(ctx, in.diffIDs)
	in.archive = newArchive(in.begin())
	close(in.ordered)
	return nil
}

// end makes the archive whole.
func (in *inbound) end(ctx context.Context, data []byte) error {
	if err := in.wait(ctx); err != nil {
		return err
	}
	var manifest ocispecs.Manifest
	if err := json.Unmarshal(data, &manifest); err != nil {
		return fmt.Errorf("manifest of the image: %w", err)
	}
	if manifest.Config.Digest != digest.FromBytes(in.config) {
		return errors.New("the image has a config that its manifest does not name")
	}
	var layers []digest.Digest
	for _, desc := range manifest.Layers {
		layers = append(layers, desc.Digest)
	}
	in.whole.Store(true)
	return in.archive.end(ctx, in.names, in.config, layers)
}

// wait waits for the config.
func (in *inbound) wait(ctx context.Context) error {
	select {
	case <-in.ordered:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// layer begins to take a layer that the engine lacks.
func (in *inbound) layer(ctx context.Context, desc ocispecs.Descriptor) (content.Writer, error) {
	if err := in.wait(ctx); err != nil {
		return nil, err
	}
	if _, twice := in.seen.LoadOrStore(desc.Digest, true); twice { // an image may have one layer twice, and both are copied at once
		return nil, fmt.Errorf("%s: %w", desc.Digest, cerrdefs.ErrAlreadyExists)
	}
	id := desc.Digest // an uncompressed one's
	if !slices.Contains(in.diffIDs, id) {
		id = in.diffID(ctx, desc.Digest)
	}
	// Of one that it has twice, the engine may have the first.
	if slices.Contains(in.diffIDs[:in.has], id) && !slices.Contains(in.diffIDs[in.has:], id) {
		in.missing.Add(1)
		return nil, fmt.Errorf("%s: %w", desc.Digest, cerrdefs.ErrAlreadyExists)
	}
	if err := in.archive.layer(ctx, desc.Digest, desc.Size); err != nil {
		return nil, err
	}
	return &layerWriter{store: in, desc: desc}, nil
}

// layerWriter is a layer on its way into the archive.
type layerWriter struct {
	store   *inbound
	desc    ocispecs.Descriptor
	written int64
	closed  bool
}

func (w *layerWriter) Write(p []byte) (int, error) {
	n, err := w.store.archive.Write(p)
	w.written += int64(n)
	return n, err
}

// Commit implements content.Writer. The engine looks at the content itself: it must be what
// the config says.
func (w *layerWriter) Commit(context.Context, int64, digest.Digest, ...content.Opt) error {
	if w.written != w.desc.Size {
		return fmt.Errorf("%s: %d of %d bytes: %w", w.desc.Digest, w.written, w.desc.Size, io.ErrUnexpectedEOF)
	}
	w.store.taken.Add(1)
	w.store.bytes.Add(w.written)
	return w.Close()
}

func (w *layerWriter) Close() error {
	if !w.closed {
		w.closed = true
		w.store.archive.next()
	}
	return nil
}

func (w *layerWriter) Digest() digest.Digest { return w.desc.Digest }

func (w *layerWriter) Status() (content.Status, error) {
	return content.Status{Offset: w.written, Total: w.desc.Size, Expected: w.desc.Digest}, nil
}

// Truncate implements content.Writer. What is written is on its way already.
func (w *layerWriter) Truncate(size int64) error {
	if size != w.written {
		return fmt.Errorf("%s: byte %d cannot be written again: %w", w.desc.Digest, size, cerrdefs.ErrNotImplemented)
	}
	return nil
}

// String says what travelled: "1 of 3 layers, 1.2MB: the engine has the others".
func (in *inbound) String() string {
	taken, missing := in.taken.Load(), in.missing.Load()
	text := fmt.Sprintf("%d of %d layers, %s", taken, taken+missing, units.HumanSize(float64(in.bytes.Load())))
	if missing > 0 {
		text += ": the engine has the others"
	}
	return text
}
