package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rebuild/impact"
)

// recordVersion is the form that records are written in. Another one is not read.
const recordVersion = 1

// Record is what the last successful build of an image saw and made, on one
// engine. It is a belief, to be held against the engine before it counts.
type Record struct {
	Version int    `json:"version"`
	Image   string `json:"image"` // its name

	ImageID    string                   `json:"image_id,omitempty"`
	Refs       []string                 `json:"refs,omitempty"`       // that the build gave it
	Definition impact.Digest            `json:"definition,omitempty"` // of its definition
	State      *impact.State            `json:"state,omitempty"`      // the image's state at the tree that was built; nil: nobody knows what it saw
	Parents    map[string]impact.Digest `json:"parents,omitempty"`    // image -> its output, as it was built on
	Chain      []string                 `json:"chain,omitempty"`      // diff ids of the root filesystem
	Config     impact.Digest            `json:"config,omitempty"`     // see Result.Config
	Steps      map[string]float64       `json:"steps,omitempty"`      // step name -> seconds, when it last ran
	Overhead   float64                  `json:"overhead,omitempty"`   // seconds that a build took beside its steps, when some ran
	Built      time.Time                `json:"built,omitzero"`

	Failed      bool          `json:"failed,omitempty"`       // the last build, after the one above
	FailedState impact.Digest `json:"failed_state,omitempty"` // of what failed
}

// Output is what dependents take from the image: its root filesystem and its
// config.
func (r *Record) Output() impact.Digest {
	return impact.DigestOf("output", append([]string{string(r.Config)}, r.Chain...)...)
}

// Records are the records of one engine, a file each. Reading them needs no
// lock; writing them needs the run's.
type Records struct {
	dir string
}

// OpenRecords gives the records of an engine under dir, which need not exist.
func OpenRecords(dir, engineID string) *Records {
	return &Records{dir: filepath.Join(dir, fileName(engineID))}
}

// Dir is where the engine's records lie.
func (r *Records) Dir() string { return r.dir }

func (r *Records) path(image string) string {
	return filepath.Join(r.dir, fileName(image)+".json")
}

// Load gives an image's record, nil when there is none. One that cannot be used
// is none either, and the warning says why.
func (r *Records) Load(image string) (rec *Record, warning string) {
	path := r.path(image)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ""
	}
	if err != nil {
		return nil, fmt.Sprintf("record of %s is not used: %v", image, err)
	}
	rec, err = parseRecord(data)
	if err == nil && rec.Image != image {
		err = fmt.Errorf("it is one of %s", rec.Image)
	}
	if err != nil {
		return nil, fmt.Sprintf("record of %s is not used: %s: %v", image, path, err)
	}
	return rec, ""
}

// loadAtOnce bounds the files that are open at once.
const loadAtOnce = 16

// LoadAll gives the records of the images named, by name, with the warnings of those
// that cannot be used, and those of images that are not named any more.
func (r *Records) LoadAll(images []string) (map[string]*Record, []string) {
	var (
		mu       sync.Mutex // guards all below
		all      = make(map[string]*Record, len(images))
		warnings []string
		group    errgroup.Group
	)
	group.SetLimit(loadAtOnce)
	for _, image := range images {
		group.Go(func() error {
			rec, warning := r.Load(image)
			mu.Lock()
			defer mu.Unlock()
			if rec != nil {
				all[image] = rec
			}
			if warning != "" {
				warnings = append(warnings, warning)
			}
			return nil
		})
	}
	for _, path := range r.others(images) {
		group.Go(func() error {
			data, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			if rec, err := parseRecord(data); err == nil && r.path(rec.Image) == path {
				mu.Lock()
				defer mu.Unlock()
				all[rec.Image] = rec
			}
			return nil
		})
	}
	_ = group.Wait() // none fails
	slices.Sort(warnings)
	return all, warnings
}

// others are the files of records of other images than those named.
func (r *Records) others(images []string) []string {
	named := make(map[string]bool, len(images))
	for _, image := range images {
		named[r.path(image)] = true
	}
	files, err := os.ReadDir(r.dir)
	if err != nil {
		return nil // no records yet
	}
	var paths []string
	for _, f := range files {
		if path := filepath.Join(r.dir, f.Name()); !f.IsDir() && filepath.Ext(path) == ".json" && !named[path] {
			paths = append(paths, path)
		}
	}
	return paths
}

// Save replaces an image's record.
func (r *Records) Save(rec *Record) error {
	out := *rec
	out.Version = recordVersion
	data, err := json.Marshal(&out)
	if err == nil {
		err = replaceFile(r.path(rec.Image), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("record of %s: %w", rec.Image, err)
	}
	return nil
}

// Remove forgets an image.
func (r *Records) Remove(image string) error {
	err := os.Remove(r.path(image))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("record of %s: %w", image, err)
	}
	return nil
}

// Tidy removes what killed runs left beside the records.
func (r *Records) Tidy() error {
	for _, dir := range []string{r.dir, r.manifests(), r.configs(), r.made()} {
		if err := removeTemps(dir); err != nil {
			return fmt.Errorf("records: %w", err)
		}
	}
	return nil
}

func parseRecord(data []byte) (*Record, error) {
	var rec Record
	if err := json.Unmarshal(data, &rec); err != nil {
		return nil, fmt.Errorf("damaged: %w", err)
	}
	switch {
	case rec.Version != recordVersion:
		return nil, fmt.Errorf("version %d, not %d", rec.Version, recordVersion)
	case rec.Image == "":
		return nil, errors.New("damaged: it names no image")
	case rec.ImageID == "" && !rec.Failed:
		return nil, errors.New("damaged: it names no image id")
	}
	for step, seconds := range rec.Steps {
		if seconds < 0 || strings.TrimSpace(step) == "" {
			delete(rec.Steps, step) // a bad estimate is no reason to build
		}
	}
	return &rec, nil
}
