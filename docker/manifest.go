package docker

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"rebuild/impact"
)

// Manifests are lists that several records share, kept beside them by their
// digest: what a selection held, file by file.

func (r *Records) manifests() string { return filepath.Join(r.dir, "manifests") }

func (r *Records) manifestPath(d impact.Digest) (string, error) {
	name, ok := strings.CutPrefix(string(d), "sha256:")
	if b, err := hex.DecodeString(name); !ok || err != nil || len(b) != sha256.Size {
		return "", fmt.Errorf("manifest %q: not a digest", d)
	}
	return filepath.Join(r.manifests(), name+".gz"), nil
}

func manifestDigest(data []byte) impact.Digest {
	sum := sha256.Sum256(data)
	return impact.Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// PutManifest keeps a manifest; one that is there already is not written again.
func (r *Records) PutManifest(data []byte) (impact.Digest, error) {
	d := manifestDigest(data)
	path, err := r.manifestPath(d)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return d, nil
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = replaceFile(path, packed.Bytes())
	}
	if err != nil {
		return "", fmt.Errorf("manifest: %w", err)
	}
	return d, nil
}

// Manifest gives a manifest. One that is damaged is removed, so that it will be
// written anew.
func (r *Records) Manifest(d impact.Digest) ([]byte, error) {
	path, err := r.manifestPath(d)
	if err != nil {
		return nil, err
	}
	packed, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	data, err := unpack(packed)
	if err == nil && manifestDigest(data) != d {
		err = errors.New("its content is another")
	}
	if err != nil {
		_ = os.Remove(path) // the damage is what is told
		return nil, fmt.Errorf("manifest %s: damaged: %w", path, err)
	}
	return data, nil
}

func unpack(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// SweepManifests removes the manifests that are not to be kept.
func (r *Records) SweepManifests(keep map[impact.Digest]bool) error {
	entries, err := os.ReadDir(r.manifests())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("manifests: %w", err)
	}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), ".gz")
		if !ok || keep[impact.Digest("sha256:"+name)] {
			continue
		}
		if err := os.Remove(filepath.Join(r.manifests(), entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("manifests: %w", err)
		}
	}
	return nil
}
