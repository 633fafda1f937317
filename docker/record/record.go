// Package record keeps what builds saw and made, in small files of one engine each:
// a record per image, the lists of the files behind it, the configs of external base
// images, and the states that were checked.
//
// It promises that a file is replaced in one step, and that one which is lost or
// damaged costs a cached build and a warning, never a wrong answer. It asks no engine:
// a record is a belief, to be checked with the engine before it counts.
package record

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
	"rebuild/impact/safefile"
)

// version is the form that records are written in. Another one is not read.
const version = 1

// Record is what the last successful build of an image saw and made, on one
// engine. It is a belief, to be checked with the engine before it counts.
type Record struct {
	Version int    `json:"version"`
	Image   string `json:"image"` // its name

	ImageID  string                   `json:"image_id,omitempty"`
	Refs     []string                 `json:"refs,omitempty"`     // that the build gave it
	State    *impact.State            `json:"state,omitempty"`    // the image's state at the tree that was built; nil: nobody knows what it saw
	Parents  map[string]impact.Digest `json:"parents,omitempty"`  // image -> its output, as it was built on
	Chain    []string                 `json:"chain,omitempty"`    // diff ids of the root filesystem
	Config   impact.Digest            `json:"config,omitempty"`   // of the config with its history, without times and root filesystem
	Shown    impact.Digest            `json:"shown,omitempty"`    // content as the engine shows it, by which an image with another id is known to be the same
	Timed    []string                 `json:"timed,omitempty"`    // labels that hold a time or a chance: no part of Shown
	Steps    map[string]float64       `json:"steps,omitempty"`    // step name -> seconds, when it last ran
	Overhead float64                  `json:"overhead,omitempty"` // seconds that a build took beside its steps, when some ran
	Built    time.Time                `json:"built,omitzero"`
	Builder  string                   `json:"builder,omitempty"` // which of several built it
	Pushed   string                   `json:"pushed,omitempty"`  // where a builder pushed it: "repository@digest"

	Failed      bool          `json:"failed,omitempty"`       // the last build, after the one above
	FailedState impact.Digest `json:"failed_state,omitempty"` // of what failed
}

// Output is what dependents take from the image: its root filesystem and its
// config.
func (r *Record) Output() impact.Digest {
	return impact.DigestOf("output", append([]string{string(r.Config)}, r.Chain...)...)
}

// Seconds is what building all of the image took, when each of its steps last ran.
func (r *Record) Seconds() float64 {
	sum := r.Overhead
	for _, s := range r.Steps {
		sum += s
	}
	return sum
}

// Held is where the image's layers are.
func (r *Record) Held() impact.Held {
	return impact.Held{Place: r.Builder, Travels: r.Pushed != "", Seconds: r.Seconds()}
}

// OutputFor is what an image's dependent takes from it.
func (r *Record) OutputFor(p impact.Parent) impact.Digest {
	if p.FilesOnly {
		return impact.DigestOf("files", r.Chain...)
	}
	return r.Output()
}

// IsOf tells whether the record's image was built from a state.
func (r *Record) IsOf(s *impact.State) bool {
	return r.State != nil && StateDigest(r.State) == StateDigest(s)
}

// StateDigest names a state of an image.
func StateDigest(s *impact.State) impact.Digest {
	return impact.DigestOf("state", string(s.Output), string(s.Config))
}

// Store holds the records of one engine. Reading it needs no lock; writing it needs
// the run's.
type Store struct {
	dir string
}

// Open gives the records of an engine under dir, which need not exist.
func Open(dir, engineID string) *Store {
	return &Store{dir: filepath.Join(dir, fileName(engineID))}
}

// Dir is where the engine's records lie.
func (s *Store) Dir() string { return s.dir }

func (s *Store) path(image string) string {
	return filepath.Join(s.dir, fileName(image)+".json")
}

// Load gives an image's record, nil when there is none. One that cannot be used
// is none either, and the warning says why.
func (s *Store) Load(image string) (rec *Record, warning string) {
	path := s.path(image)
	data, err := safefile.Read(path, safefile.Record)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ""
	}
	if err != nil {
		return nil, fmt.Sprintf("record of %s is not used: %v", image, err)
	}
	rec, err = parse(data)
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
func (s *Store) LoadAll(images []string) (map[string]*Record, []string) {
	var (
		mu       sync.Mutex // guards all below
		all      = make(map[string]*Record, len(images))
		warnings []string
		group    errgroup.Group
	)
	group.SetLimit(loadAtOnce)
	for _, image := range images {
		group.Go(func() error {
			rec, warning := s.Load(image)
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
	for _, path := range s.others(images) {
		group.Go(func() error {
			data, err := safefile.Read(path, safefile.Record)
			if err != nil {
				return nil // nobody asks for this one
			}
			if rec, err := parse(data); err == nil && s.path(rec.Image) == path {
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
func (s *Store) others(images []string) []string {
	named := make(map[string]bool, len(images))
	for _, image := range images {
		named[s.path(image)] = true
	}
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return nil // no records yet
	}
	var paths []string
	for _, f := range files {
		if path := filepath.Join(s.dir, f.Name()); !f.IsDir() && filepath.Ext(path) == ".json" && !named[path] {
			paths = append(paths, path)
		}
	}
	return paths
}

// Save replaces an image's record, with the lists of the files behind its state beside
// it.
func (s *Store) Save(rec *Record) error {
	out := *rec
	out.Version = version
	err := s.putFiles(&out)
	var data []byte
	if err == nil {
		data, err = json.Marshal(&out)
	}
	if err == nil {
		err = ReplaceFile(s.path(rec.Image), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("record of %s: %w", rec.Image, err)
	}
	return nil
}

// Tidy removes what killed runs left beside the records, the file lists that no record has
// any more, and logs when there are too many.
func (s *Store) Tidy() error {
	for _, dir := range []string{filepath.Dir(s.dir), s.dir, s.listDir(), s.baseDir(), s.runDir()} { // the first holds LastEngineFile
		if err := removeTemps(dir); err != nil {
			return fmt.Errorf("records: %w", err)
		}
	}
	if err := s.sweepLists(); err != nil {
		return err
	}
	return s.sweepLogs(mostLogs)
}

// JournalFile is where a run notes what it makes.
func (s *Store) JournalFile() string { return filepath.Join(s.runDir(), "journal.json") }

// ListFile is where the last list of the engine's images is kept, if it is.
func (s *Store) ListFile() string { return filepath.Join(s.runDir(), "images.json") }

// AuditFile is where audits are kept.
func (s *Store) AuditFile() string { return filepath.Join(s.dir, "audit.jsonl") }

// runDir is for what runs note besides records.
func (s *Store) runDir() string { return filepath.Join(s.dir, "made") }

func parse(data []byte) (*Record, error) {
	var rec Record
	if err := json.Unmarshal(data, &rec); err != nil {
		return nil, fmt.Errorf("damaged: %w", err)
	}
	switch {
	case rec.Version != version:
		return nil, fmt.Errorf("version %d, not %d", rec.Version, version)
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
