package record

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"rebuild/impact/safefile"
)

// BaseImage is an external image as an engine has it. With those that were seen a plan
// can be made without asking the engine, and an image's config, which never changes, is
// asked for once.
type BaseImage struct {
	ID     string
	Config []byte   // OCI image config JSON with the diff ids
	Chain  []string // diff ids of the root filesystem
}

func (s *Store) baseDir() string { return filepath.Join(s.dir, "bases") }

func (s *Store) baseFile(name string) string { return filepath.Join(s.baseDir(), name+".json") }

// baseRef is what a reference stood for.
type baseRef struct {
	Ref string `json:"ref"`
	ID  string `json:"id"`
}

// PutBase keeps what a normalised reference to an external image stands for.
func (s *Store) PutBase(ref string, im BaseImage) error {
	image, err := json.Marshal(im)
	if err == nil {
		err = s.putBaseFile(fileName(im.ID), image)
	}
	var pointer []byte
	if err == nil {
		pointer, err = json.Marshal(baseRef{Ref: ref, ID: im.ID})
	}
	if err == nil {
		err = s.putBaseFile(fileName(ref), pointer)
	}
	if err != nil {
		return fmt.Errorf("config of %s: %w", ref, err)
	}
	return nil
}

// putBaseFile writes what is not there yet.
func (s *Store) putBaseFile(name string, data []byte) error {
	path := s.baseFile(name)
	if old, err := safefile.Read(path, safefile.Record); err == nil && string(old) == string(data) {
		return nil
	}
	return ReplaceFile(path, data)
}

// Base gives the image that a reference was last seen to stand for. One that
// was never seen, or whose file is damaged, is not known.
func (s *Store) Base(ref string) (BaseImage, bool) {
	var pointer baseRef
	if !s.readBaseFile(fileName(ref), &pointer) || pointer.Ref != ref {
		return BaseImage{}, false
	}
	return s.BaseByID(pointer.ID)
}

// BaseFiles lists the files that Base reads of a reference that was seen.
func (s *Store) BaseFiles(ref string) []string {
	im, _ := s.Base(ref)
	return []string{s.baseFile(fileName(ref)), s.baseFile(fileName(im.ID))}
}

// BaseByID gives an external image that was seen before.
func (s *Store) BaseByID(id string) (BaseImage, bool) {
	var im BaseImage
	if id == "" || !s.readBaseFile(fileName(id), &im) || im.ID != id || !json.Valid(im.Config) {
		return BaseImage{}, false
	}
	return im, true
}

func (s *Store) readBaseFile(name string, into any) bool {
	data, err := safefile.Read(s.baseFile(name), safefile.Record)
	return err == nil && json.Unmarshal(data, into) == nil
}
