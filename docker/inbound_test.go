package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/moby/buildkit/util/contentutil"
	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// builderStore has an image as a builder has it: each layer's blob is another one than its
// content, as if it were compressed, but for those that say that they are plain.
type builderStore struct {
	contentutil.Buffer
	manifest ocispecs.Descriptor
	config   []byte
	diffIDs  []digest.Digest
	blobs    []digest.Digest
}

func newBuilderStore(t *testing.T, layers ...string) *builderStore {
	t.Helper()
	s := &builderStore{Buffer: contentutil.NewBuffer()}
	var manifest ocispecs.Manifest
	for _, text := range layers {
		id, blob, kind := digest.FromString(text), []byte("compressed "+text), ocispecs.MediaTypeImageLayerGzip
		if strings.HasPrefix(text, "plain") {
			blob, kind = []byte(text), ocispecs.MediaTypeImageLayer
		}
		desc := s.put(t, kind, blob)
		s.diffIDs, s.blobs = append(s.diffIDs, id), append(s.blobs, desc.Digest)
		manifest.Layers = append(manifest.Layers, desc)
	}
	s.config = asJSON(t, ocispecs.Image{RootFS: ocispecs.RootFS{Type: "layers", DiffIDs: s.diffIDs}})
	manifest.Versioned, manifest.MediaType = specs.Versioned{SchemaVersion: 2}, ocispecs.MediaTypeImageManifest
	manifest.Config = s.put(t, ocispecs.MediaTypeImageConfig, s.config)
	s.manifest = s.put(t, ocispecs.MediaTypeImageManifest, asJSON(t, manifest))
	return s
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (s *builderStore) put(t *testing.T, kind string, data []byte) ocispecs.Descriptor {
	t.Helper()
	desc := ocispecs.Descriptor{MediaType: kind, Digest: digest.FromBytes(data), Size: int64(len(data))}
	if err := content.WriteBlob(t.Context(), s.Buffer, string(desc.Digest), bytes.NewReader(data), desc); err != nil {
		t.Fatal(err)
	}
	return desc
}

// diffID is what a builder tells of its blobs.
func (s *builderStore) diffID(_ context.Context, blob digest.Digest) digest.Digest {
	if i := slices.Index(s.blobs, blob); i >= 0 {
		return s.diffIDs[i]
	}
	return ""
}

// buffer is where an archive goes.
type buffer struct {
	bytes.Buffer
	closed bool
}

func (b *buffer) Close() error {
	b.closed = true
	return nil
}

// into is a store for an engine that has so many of the layers.
func (s *builderStore) into(out io.WriteCloser, has int) *inbound {
	return &inbound{
		Buffer: contentutil.NewBuffer(), ordered: make(chan struct{}), names: []string{"docker.io/library/a:1"}, diffID: s.diffID,
		begin: func() io.WriteCloser { return out },
		held:  func(context.Context, []digest.Digest) int { return has },
	}
}

// copyTo copies as BuildKit does it.
func (s *builderStore) copyTo(ctx context.Context, in *inbound) error {
	return contentutil.CopyChain(ctx, in, s.Buffer, s.manifest)
}

// unpacked are the files of an archive.
func unpacked(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	files := map[string]string{}
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := files[h.Name]; ok {
			t.Errorf("%s is there twice", h.Name)
		}
		files[h.Name] = string(data)
	}
}

func TestInbound(t *testing.T) {
	many := []string{"a", "b"}
	for i := range 20 { // more than BuildKit copies at once
		many = append(many, fmt.Sprint("layer ", i))
	}
	for name, test := range map[string]struct {
		layers  []string
		has     int
		travels []string // of layers
	}{
		"none":           {layers: []string{"a", "b"}, travels: []string{"a", "b"}},
		"parent's":       {layers: []string{"a", "b", "c"}, has: 2, travels: []string{"c"}},
		"all":            {layers: []string{"a", "b"}, has: 2},
		"empty image":    {},
		"plain":          {layers: []string{"plain a", "b", "plain c"}, has: 2, travels: []string{"plain c"}},
		"twice":          {layers: []string{"a", "b", "a"}, has: 2, travels: []string{"a"}},
		"twice, had":     {layers: []string{"a", "a", "b"}, has: 2, travels: []string{"b"}},
		"many":           {layers: many, has: 2, travels: many[2:]},
		"many, all":      {layers: many, travels: many},
		"many, had most": {layers: many, has: 21, travels: many[21:]},
	} {
		t.Run(name, func(t *testing.T) {
			s, out := newBuilderStore(t, test.layers...), &buffer{}
			in := s.into(out, test.has)
			if err := s.copyTo(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			if !out.closed || !in.whole.Load() {
				t.Error("the archive is not ended")
			}
			files := unpacked(t, out)
			var manifest []struct {
				Config           string
				RepoTags, Layers []string
			}
			if err := json.Unmarshal([]byte(files["manifest.json"]), &manifest); err != nil || len(manifest) != 1 {
				t.Fatal(err, files)
			}
			image := manifest[0]
			if files[image.Config] != string(s.config) || !slices.Equal(image.RepoTags, in.names) || len(image.Layers) != len(test.layers) {
				t.Errorf("%+v", image)
			}
			for i, text := range test.layers {
				want := "compressed " + text
				if strings.HasPrefix(text, "plain") {
					want = text
				}
				got, travels := files[image.Layers[i]]
				if travels != slices.Contains(test.travels, text) || travels && got != want {
					t.Errorf("layer %d: %q %v", i, got, travels)
				}
			}
			missing := map[string]bool{}
			for _, text := range test.layers {
				missing[text] = !slices.Contains(test.travels, text)
			}
			n := 0
			for _, m := range missing {
				if m {
					n++
				}
			}
			if int(in.taken.Load()) != len(test.travels) || int(in.missing.Load()) != n {
				t.Error(in)
			}
		})
	}
}

// TestInboundUntold: of a builder that does not tell what a blob holds, all of them travel.
func TestInboundUntold(t *testing.T) {
	s, out := newBuilderStore(t, "a", "b"), &buffer{}
	in := s.into(out, 1)
	in.diffID = func(context.Context, digest.Digest) digest.Digest { return "" }
	if err := s.copyTo(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if files := unpacked(t, out); len(files) != 4 || in.missing.Load() != 0 {
		t.Errorf("%v %v", files, in)
	}
}

// TestInboundEngineGone: an engine that takes no more ends the copying, and what waits to be
// written goes with it.
func TestInboundEngineGone(t *testing.T) {
	var layers []string
	for i := range 8 {
		layers = append(layers, fmt.Sprint(i, strings.Repeat("x", 1<<16)))
	}
	s := newBuilderStore(t, layers...)
	r, w := io.Pipe()
	in := s.into(w, 0)
	go func() {
		_, _ = io.CopyN(io.Discard, r, 100_000)
		_ = r.CloseWithError(errors.New("disk full"))
	}()
	if err := s.copyTo(t.Context(), in); err == nil || !strings.Contains(err.Error(), "disk full") || in.whole.Load() {
		t.Error(err)
	}
}

// TestInboundCanceled: a builder that ends in the middle leaves no archive that could be loaded.
func TestInboundCanceled(t *testing.T) {
	s := newBuilderStore(t, "a", "b", "c")
	in := s.into(nil, 0)
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	if _, err := in.layer(ctx, ocispecs.Descriptor{Digest: s.blobs[0], Size: 1}); !errors.Is(err, gone) { // it waits for the config
		t.Error(err)
	}

	out := &buffer{}
	in = s.into(out, 0)
	if err := in.order(t.Context(), s.config); err != nil {
		t.Fatal(err)
	}
	first, err := in.layer(t.Context(), ocispecs.Descriptor{Digest: s.blobs[0], Size: 5})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.layer(ctx, ocispecs.Descriptor{Digest: s.blobs[1], Size: 1}); !errors.Is(err, gone) { // it waits for its turn
		t.Error(err)
	}
	if _, err := first.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	if err := first.Commit(t.Context(), 5, s.blobs[0]); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if _, err := in.layer(t.Context(), ocispecs.Descriptor{Digest: s.blobs[1], Size: 1}); err == nil {
		t.Error("a layer follows one that is not whole")
	}
	if err := s.copyTo(t.Context(), in); err == nil || out.closed {
		t.Error(err)
	}
}
