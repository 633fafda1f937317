package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"rebuild/docker"
	"rebuild/docker/record"
	"rebuild/impact/safefile"
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
	ID     string            `json:"id,omitempty"` // docker.Request's; "": the engine has ended it
	Refs   []string          `json:"refs"`
	Before map[string]string `json:"before"` // reference -> the image it named
}

// journalVersion is the form that journals are written in. Another one is not read.
const journalVersion = 1

type journalFile struct {
	Version int                 `json:"version"`
	Made    map[string][]string `json:"made"` // image -> ids, the current one last
	Open    map[string]building `json:"open,omitempty"`
}

// OpenJournal reads an engine's journal (record.Store.JournalFile). One that is damaged is
// begun anew, and the warning says so: what it knew stays in the engine.
func OpenJournal(path string) (j *Journal, warning string) {
	j = &Journal{path: path, killed: map[string]bool{}, made: map[string][]string{}, open: map[string]building{}}
	file, err := readJournal(path)
	if errors.Is(err, fs.ErrNotExist) {
		return j, ""
	}
	if err != nil {
		return j, fmt.Sprintf("journal of made images is begun anew: %v", err)
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

// readJournal gives a journal's file; the error names it.
func readJournal(path string) (file journalFile, err error) {
	data, err := safefile.Read(path, safefile.Record)
	if err != nil {
		return file, err
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return file, fmt.Errorf("%s: %w", path, err)
	}
	if file.Version != journalVersion {
		return file, fmt.Errorf("%s: version %d, not %d", path, file.Version, journalVersion)
	}
	return file, nil
}

// uncertain gives an image's build before when that was cut off, so that nobody knows yet
// what it made: an engine may finish and tag an image that is not waited for any more.
func (j *Journal) uncertain(image string) (building, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	before, open := j.open[image]
	return before, open
}

// begin is written before a build that takes refs from the images that have them
// now. When the build before was cut off, now must have been listed since its end (afterEnd).
func (j *Journal) begin(image, id string, refs []string, now docker.Images) error {
	before := map[string]string{}
	for _, ref := range refs {
		if id := now.ID(ref); id != "" {
			before[ref] = id
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.recover(image, now)
	j.open[image] = building{ID: id, Refs: slices.Clone(refs), Before: before}
	return j.save()
}

// end is written after a build: with the id of what it made, or "" when it made
// nothing. After one that was cut off it is not: the build stays open until Recover
// finds what it made.
func (j *Journal) end(image, id string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.open, image)
	if id != "" {
		j.add(image, id)
	}
	return j.save()
}

// ended is written after a build that was cut off, and which the engine has ended all the
// same: what it made is found without waiting.
func (j *Journal) ended(image string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if b, open := j.open[image]; open {
		b.ID = ""
		j.open[image] = b
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
	data, err := json.Marshal(journalFile{Version: journalVersion, Made: j.made, Open: j.open})
	if err == nil {
		err = record.ReplaceFile(j.path, data)
	}
	if err != nil {
		return fmt.Errorf("journal of made images: %w", err)
	}
	return nil
}

// Recover is called when this run has no build under way: what a killed run, or a build
// that was cut off, made is known by the references that open builds moved.
func (j *Journal) Recover(ctx context.Context, b Builder) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.open) == 0 {
		return nil
	}
	now, err := afterEnd(ctx, b, slices.Collect(maps.Values(j.open))...)
	if err != nil {
		return err
	}
	for image := range j.open {
		j.recover(image, now)
	}
	clear(j.open)
	return j.save()
}

// afterEnd lists what the engine has once it works on none of the builds any more: an image
// that one of them makes later would take a reference that a newer build moves on, and be
// left without a tag and unknown.
func afterEnd(ctx context.Context, b Builder, builds ...building) (docker.Images, error) {
	var ids []string
	for _, open := range builds {
		if open.ID != "" {
			ids = append(ids, open.ID)
		}
	}
	if len(ids) > 0 {
		if err := b.Ended(ctx, ids...); err != nil {
			return docker.Images{}, err
		}
	}
	return b.Images(ctx)
}

// recover needs j.mu.
func (j *Journal) recover(image string, now docker.Images) {
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
// builder only for images that are to go.
func (j *Journal) Sweep(ctx context.Context, b Builder, now docker.Images) ([]string, error) {
	if !now.Known() {
		return nil, nil // a buildkitd has its own garbage collection
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
				gone, err := b.RemoveUntagged(ctx, id)
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
