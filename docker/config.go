package docker

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// The configs of external base images, as they were last seen: with them a plan
// can be made without asking the engine, and an image's config, which never
// changes, is asked for once.

func (r *Records) configs() string { return filepath.Join(r.dir, "bases") }

func (r *Records) configFile(name string) string { return filepath.Join(r.configs(), name+".json") }

type baseRef struct {
	Ref string `json:"ref"`
	ID  string `json:"id"`
}

// PutBase keeps what a normalised reference to an external image stands for.
func (r *Records) PutBase(ref string, im Image) error {
	image, err := json.Marshal(im)
	if err == nil {
		err = r.putConfig(fileName(im.ID), image)
	}
	var pointer []byte
	if err == nil {
		pointer, err = json.Marshal(baseRef{Ref: ref, ID: im.ID})
	}
	if err == nil {
		err = r.putConfig(fileName(ref), pointer)
	}
	if err != nil {
		return fmt.Errorf("config of %s: %w", ref, err)
	}
	return nil
}

// putConfig writes what is not there yet.
func (r *Records) putConfig(name string, data []byte) error {
	path := r.configFile(name)
	if old, err := os.ReadFile(path); err == nil && string(old) == string(data) {
		return nil
	}
	return replaceFile(path, data)
}

// Base gives the image that a reference was last seen to stand for. One that
// was never seen, or whose file is damaged, is not known.
func (r *Records) Base(ref string) (Image, bool) {
	var pointer baseRef
	if !r.readConfig(fileName(ref), &pointer) || pointer.Ref != ref {
		return Image{}, false
	}
	return r.BaseByID(pointer.ID)
}

// BaseFiles lists the files that Base reads of a reference that was seen.
func (r *Records) BaseFiles(ref string) []string {
	im, _ := r.Base(ref)
	return []string{r.configFile(fileName(ref)), r.configFile(fileName(im.ID))}
}

// BaseByID gives an external image that was seen before.
func (r *Records) BaseByID(id string) (Image, bool) {
	var im Image
	if id == "" || !r.readConfig(fileName(id), &im) || im.ID != id || !json.Valid(im.Config) {
		return Image{}, false
	}
	return im, true
}

func (r *Records) readConfig(name string, into any) bool {
	data, err := os.ReadFile(r.configFile(name))
	return err == nil && json.Unmarshal(data, into) == nil
}
