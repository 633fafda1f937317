package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Journal remembers which images our own runs made on an engine, so that those
// which later runs superseded can be taken away, also when a run was killed.
// Images are known by their ids: a label would change them. Its methods may be
// called concurrently; it is written under the run's lock.
type Journal struct {
	path   string
	killed map[string]bool // images whose builds a killed run left under way

	mu   sync.Mutex          // guards all below
	made map[string][]string // image -> ids of what was made for it, the current one last
	open map[string]building // builds under way, by image
}

// building is a build whose end is not yet written down.
type building struct {
	Refs   []string          `json:"refs"`
	Before map[string]string `json:"before"` // reference -> the image it named
}

type journalFile struct {
	Version int                 `json:"version"`
	Made    map[string][]string `json:"made"` // image -> ids, the current one last
	Open    map[string]building `json:"open,omitempty"`
}

func (r *Records) made() string { return filepath.Join(r.dir, "made") }

// OpenJournal reads an engine's journal. One that is damaged is begun anew, and
// the warning says so: what it knew stays in the engine.
func (r *Records) OpenJournal() (j *Journal, warning string) {
	j = &Journal{path: filepath.Join(r.made(), "journal.json"), killed: map[string]bool{}, made: map[string][]string{}, open: map[string]building{}}
	data, err := os.ReadFile(j.path)
	if errors.Is(err, os.ErrNotExist) {
		return j, ""
	}
	var file journalFile
	if err == nil {
		err = json.Unmarshal(data, &file)
	}
	if err == nil && file.Version != recordVersion {
		err = fmt.Errorf("version %d, not %d", file.Version, recordVersion)
	}
	if err != nil {
		return j, fmt.Sprintf("journal of made images is begun anew: %s: %v", j.path, err)
	}
	if file.Made != nil {
		j.made = file.Made
	}
	if file.Open != nil {
		j.open = file.Open
	}
	for image := range j.open {
		j.killed[image] = true
	}
	return j, ""
}

// Uncertain tells whether an image's build before was cut off, so that nobody knows yet
// what it made: an engine may finish and tag an image that is not waited for any more.
func (j *Journal) Uncertain(image string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, open := j.open[image]
	return open
}

// Begin is written before a build that takes refs from the images that have them
// now. When the build before was cut off, now must have been listed since.
func (j *Journal) Begin(image string, refs []string, now Images) error {
	before := map[string]string{}
	for _, ref := range refs {
		if id := now.ID(ref); id != "" {
			before[ref] = id
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.recover(image, now)
	j.open[image] = building{Refs: slices.Clone(refs), Before: before}
	return j.save()
}

// End is written after a build: with the id of what it made, or "" when it made
// nothing. After one that was cut off it is not: the build stays open until Recover
// finds what it made.
func (j *Journal) End(image, id string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.open, image)
	if id != "" {
		j.add(image, id)
	}
	return j.save()
}

// Unfinished tells whether a run was killed in the middle of a build, or a build cut
// off.
func (j *Journal) Unfinished() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.open) > 0
}

func (j *Journal) add(image, id string) {
	ids := slices.DeleteFunc(j.made[image], func(old string) bool { return old == id })
	j.made[image] = append(ids, id)
}

func (j *Journal) save() error {
	data, err := json.Marshal(journalFile{Version: recordVersion, Made: j.made, Open: j.open})
	if err == nil {
		err = replaceFile(j.path, data)
	}
	if err != nil {
		return fmt.Errorf("journal of made images: %w", err)
	}
	return nil
}

// Recover is called when no build is under way, with what the engine holds: what a
// killed run, or a build that was cut off, made is known by the references that open
// builds moved.
func (j *Journal) Recover(now Images) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.open) == 0 {
		return nil
	}
	for image := range j.open {
		j.recover(image, now)
	}
	clear(j.open)
	return j.save()
}

// recover is called with the lock held.
func (j *Journal) recover(image string, now Images) {
	b := j.open[image]
	for _, ref := range b.Refs {
		if id := now.ID(ref); id != "" && id != b.Before[ref] {
			j.add(image, id)
		}
	}
}

// Sweep removes the images that our runs superseded and that have no tag any
// more in now, a list made after the run's builds. What something still uses is
// tried again by the next run. It gives the ids that are gone, and calls the
// engine only for images that are to go.
func (j *Journal) Sweep(ctx context.Context, e *Engine, now Images) ([]string, error) {
	if e.IsBuilder() {
		return nil, nil // it has its own garbage collection
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var (
		removed []string
		changed bool
		failed  error
	)
	current := map[string]bool{} // two images may share one
	for _, ids := range j.made {
		if len(ids) > 0 {
			current[ids[len(ids)-1]] = true
		}
	}
	for _, image := range slices.Sorted(maps.Keys(j.made)) {
		var kept []string
		for _, id := range j.made[image] {
			switch {
			case current[id] || failed != nil:
				kept = append(kept, id)
			case !now.Has(id): // somebody else removed it
				changed = true
			case !now.Untagged(id):
				kept = append(kept, id)
			default:
				gone, err := e.removeUntagged(ctx, id)
				failed = err
				if !gone {
					kept = append(kept, id)
					continue
				}
				changed = true
				removed = append(removed, id)
			}
		}
		j.made[image] = kept
	}
	if changed {
		failed = errors.Join(failed, j.save())
	}
	return removed, failed
}

// removeUntagged removes an image if it still has no tag. By its id alone, one
// that was tagged in the meantime would go together with its tag.
func (e *Engine) removeUntagged(ctx context.Context, id string) (gone bool, err error) {
	im, err := e.Inspect(ctx, id)
	if err == nil && len(im.Tags) > 0 {
		return false, nil
	}
	if err == nil {
		err = e.Remove(ctx, id)
	}
	switch {
	case errors.Is(err, ErrInUse):
		return false, nil
	case errors.Is(err, ErrNoImage):
		return true, nil
	}
	return err == nil, err
}
