package record

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"rebuild/impact"
	"rebuild/impact/safefile"
)

// What a selection held, file by file, is a list that several records share. It is kept
// beside them by its digest.

// Files gives the files behind a read of a record's state, nil when the list is lost.
func (s *Store) Files(read impact.StateRead) []impact.File {
	if read.List == "" {
		return nil
	}
	data, err := s.list(read.List)
	if err != nil {
		return nil
	}
	var kept []file
	if json.Unmarshal(data, &kept) != nil {
		return nil
	}
	files := make([]impact.File, len(kept))
	for i, f := range kept {
		if files[i] = f.File; len(f.Raw) > 0 {
			files[i].Path = string(f.Raw)
		}
	}
	return files
}

// file is a file in a list. JSON holds no name that is no UTF-8: then Raw does.
type file struct {
	impact.File
	Raw []byte `json:",omitempty"`
}

func encodeFiles(files []impact.File) ([]byte, error) {
	kept := make([]file, len(files))
	for i, f := range files {
		if kept[i].File = f; !utf8.ValidString(f.Path) {
			kept[i].Raw = []byte(f.Path)
		}
	}
	return json.Marshal(kept)
}

// putFiles keeps the lists of the files behind a record's state, and notes in the
// record where they are. The state itself is not changed.
func (s *Store) putFiles(rec *Record) error {
	if rec.State == nil {
		return nil
	}
	st := *rec.State
	st.Layers = slices.Clone(st.Layers)
	for i, l := range st.Layers {
		st.Layers[i].Reads = slices.Clone(l.Reads)
		for j, read := range l.Reads {
			rd := rec.State.Reading(read)
			if rd == nil {
				continue
			}
			data, err := encodeFiles(rd.Files)
			if err != nil {
				return err
			}
			if st.Layers[i].Reads[j].List, err = s.putList(data); err != nil {
				return err
			}
		}
	}
	rec.State = &st
	return nil
}

func (s *Store) listDir() string { return filepath.Join(s.dir, "manifests") }

func (s *Store) listPath(d impact.Digest) (string, error) {
	name, ok := strings.CutPrefix(string(d), "sha256:")
	if b, err := hex.DecodeString(name); !ok || err != nil || len(b) != sha256.Size {
		return "", fmt.Errorf("file list %q: not a digest", d)
	}
	return filepath.Join(s.listDir(), name+".gz"), nil
}

func listDigest(data []byte) impact.Digest {
	sum := sha256.Sum256(data)
	return impact.Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// putList keeps a list; one that is there already is not written again.
func (s *Store) putList(data []byte) (impact.Digest, error) {
	d := listDigest(data)
	path, err := s.listPath(d)
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
		err = ReplaceFile(path, packed.Bytes())
	}
	if err != nil {
		return "", fmt.Errorf("file list: %w", err)
	}
	return d, nil
}

// list gives a list. One that is damaged is removed, so that it will be written anew.
func (s *Store) list(d impact.Digest) ([]byte, error) {
	path, err := s.listPath(d)
	if err != nil {
		return nil, err
	}
	packed, err := safefile.Read(path, safefile.Record)
	if err != nil {
		return nil, fmt.Errorf("file list: %w", err)
	}
	data, err := unpack(packed)
	if err == nil && listDigest(data) != d {
		err = errors.New("its content is another")
	}
	if err != nil {
		_ = os.Remove(path) // the damage is what is reported
		return nil, fmt.Errorf("file list %s: damaged: %w", path, err)
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

// sweepLists removes the lists that no record names. A record that cannot be read is
// not used either, so that its lists serve nobody.
func (s *Store) sweepLists() error {
	entries, err := os.ReadDir(s.listDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("file lists: %w", err)
	}
	named := s.namedLists()
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), ".gz")
		if !ok || named[impact.Digest("sha256:"+name)] {
			continue
		}
		if err := os.Remove(filepath.Join(s.listDir(), entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("file lists: %w", err)
		}
	}
	return nil
}

// namedLists are the lists that the records name.
func (s *Store) namedLists() map[impact.Digest]bool {
	named := map[impact.Digest]bool{}
	all, _ := s.LoadAll(nil)
	for _, rec := range all {
		if rec.State == nil {
			continue
		}
		for _, l := range rec.State.Layers {
			for _, read := range l.Reads {
				named[read.List] = true
			}
		}
	}
	return named
}
