package docker

import (
	"archive/tar"
	"context"
	"encoding/json"
	"io"

	digest "github.com/opencontainers/go-digest"
)

// archive writes what docker load takes (moby image/tarexport), as it comes. Layers are
// files with the name of their blob, compressed or not. A classic store opens those that
// it lacks alone, so that the others may be missing.
type archive struct {
	out  io.WriteCloser
	tar  *tar.Writer
	turn chan struct{} // holds one while a file is written: there is one after the other
}

func newArchive(out io.WriteCloser) *archive {
	return &archive{out: out, tar: tar.NewWriter(out), turn: make(chan struct{}, 1)}
}

// layer begins the file of a layer, once no other is written. What is written then goes
// into it, until next is called.
func (a *archive) layer(ctx context.Context, blob digest.Digest, size int64) error {
	if err := a.wait(ctx); err != nil {
		return err
	}
	err := a.tar.WriteHeader(&tar.Header{Name: blob.Encoded(), Size: size, Mode: 0o644})
	if err != nil {
		a.next()
	}
	return err
}

func (a *archive) wait(ctx context.Context) error {
	select {
	case a.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (a *archive) Write(p []byte) (int, error) { return a.tar.Write(p) }

// next ends the file of a layer. One that is not whole spoils the archive.
func (a *archive) next() { <-a.turn }

// end writes what makes an image of the layers, which are given from the lowest on.
func (a *archive) end(ctx context.Context, names []string, config []byte, layers []digest.Digest) error {
	if err := a.wait(ctx); err != nil {
		return err
	}
	defer a.next()
	type item struct { // tarexport.manifestItem
		Config   string
		RepoTags []string
		Layers   []string
	}
	image := item{Config: digest.FromBytes(config).Encoded() + ".json", RepoTags: names, Layers: []string{}}
	for _, blob := range layers {
		image.Layers = append(image.Layers, blob.Encoded())
	}
	manifest, err := json.Marshal([]item{image})
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name string
		data []byte
	}{{image.Config, config}, {"manifest.json", manifest}} {
		if err := a.tar.WriteHeader(&tar.Header{Name: file.name, Size: int64(len(file.data)), Mode: 0o644}); err != nil {
			return err
		}
		if _, err := a.tar.Write(file.data); err != nil {
			return err
		}
	}
	if err := a.tar.Close(); err != nil {
		return err
	}
	return a.out.Close()
}
