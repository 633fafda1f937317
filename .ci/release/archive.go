package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// writeTar writes a compressed tar whose files lie in a folder of the archive's name.
func writeTar(name string, files []file, made time.Time) error {
	var out bytes.Buffer
	packed := gzip.NewWriter(&out) // the best compression takes thrice the time for 2 %
	w := tar.NewWriter(packed)
	folder := strings.TrimSuffix(filepath.Base(name), ".tar.gz")
	for _, f := range files {
		h := &tar.Header{Name: folder + "/" + f.Name, Mode: int64(f.Mode), Size: int64(len(f.Data)), ModTime: made, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(f.Data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return err
	}
	return os.WriteFile(name, out.Bytes(), 0o644)
}

// writeZip writes a zip whose files lie in a folder of the archive's name.
func writeZip(name string, files []file, made time.Time) error {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	folder := strings.TrimSuffix(filepath.Base(name), ".zip")
	for _, f := range files {
		h := &zip.FileHeader{Name: folder + "/" + f.Name, Method: zip.Deflate, Modified: made}
		h.SetMode(f.Mode)
		into, err := w.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := into.Write(f.Data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(name, out.Bytes(), 0o644)
}

// compressed is data as "gzip -n -9" makes it: neither a name nor a time is in it.
func compressed(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(w, bytes.NewReader(data)); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}
