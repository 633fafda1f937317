package run_test

import (
	"path/filepath"
	"slices"
	"testing"

	"rebuild/docker"
	"rebuild/docker/enginetest"
	"rebuild/docker/run"
)

// sweepBed is a journal of builds on a real engine.
type sweepBed struct {
	t    *testing.T
	e    *docker.Engine
	path string // of the journal
	req  docker.Request

	drops bool // the engine drops an image by itself when another takes its name
}

func newSweepBed(t *testing.T) *sweepBed {
	e := enginetest.WithBase(t)
	return &sweepBed{
		t: t, e: e, path: filepath.Join(t.TempDir(), "journal.json"), req: enginetest.Request(t, "swept", "", nil),
		drops: enginetest.Manifests(t, e),
	}
}

// open is the journal as the next process finds it.
func (b *sweepBed) open() *run.Journal {
	b.t.Helper()
	j, warning := run.OpenJournal(b.path)
	if warning != "" {
		b.t.Fatal(warning)
	}
	return j
}

func (b *sweepBed) images() docker.Images {
	b.t.Helper()
	images, err := b.e.Images(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return images
}

// build makes a new image under the same reference.
func (b *sweepBed) build() string {
	b.t.Helper()
	b.req.Dockerfile = []byte("FROM " + enginetest.Base + "\nRUN echo " + enginetest.Unique() + "\n")
	return enginetest.MustBuild(b.t, b.e, b.req).ImageID
}

func (b *sweepBed) run(j *run.Journal) string {
	b.t.Helper()
	if err := j.Begin("swept", b.req.Refs, b.images()); err != nil {
		b.t.Fatal(err)
	}
	id := b.build()
	if err := j.End("swept", id); err != nil {
		b.t.Fatal(err)
	}
	return id
}

// sweep has to remove these images, where the engine has not done so itself.
func (b *sweepBed) sweep(j *run.Journal, gone ...string) {
	b.t.Helper()
	want := gone
	if b.drops {
		want = nil
	}
	removed, err := j.Sweep(b.t.Context(), b.e, b.images())
	if err != nil || !slices.Equal(removed, want) {
		b.t.Errorf("removed %q, want %q, %v", removed, want, err)
	}
	now := b.images()
	for _, id := range gone {
		if now.Has(id) {
			b.t.Errorf("%s is still there", id)
		}
	}
}

func TestSweepRemovesWhatWasSuperseded(t *testing.T) {
	b := newSweepBed(t)
	foreign := b.build() // by somebody else
	enginetest.Cleanup(t, b.e, foreign)
	first := b.run(b.open())
	second := b.run(b.open())
	third := b.run(b.open())
	for _, id := range []string{foreign, first} {
		if now := b.images(); now.Untagged(id) == b.drops || now.Has(id) == b.drops {
			t.Errorf("superseded: there %v, untagged %v; the engine drops what is superseded: %v", now.Has(id), now.Untagged(id), b.drops)
		}
	}
	b.sweep(b.open(), first, second)
	b.sweep(b.open())
	if now := b.images(); now.Has(foreign) == b.drops || now.Untagged(third) || !now.Has(third) {
		t.Error("too much is gone, or too little")
	}
}

// One that got another tag, or that a container uses, stays for as long.
func TestSweepLeavesWhatIsUsed(t *testing.T) {
	b := newSweepBed(t)
	first := b.run(b.open())
	container := enginetest.Docker(t, b.e, "create", first, "true")
	second := b.run(b.open())
	kept := enginetest.Ref(t, "rebuild.test/kept:"+enginetest.Unique())
	enginetest.Tag(t, b.e, second, kept)
	b.run(b.open())
	b.sweep(b.open())
	enginetest.Docker(t, b.e, "rm", container)
	b.sweep(b.open(), first)
	if err := b.e.Remove(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	b.sweep(b.open()) // the last tag took it along
}

// A tag that an image gets after the list was made saves it.
func TestSweepLooksAgain(t *testing.T) {
	b := newSweepBed(t)
	if b.drops {
		t.Skip("the engine drops what is superseded by itself, as /info says of its store")
	}
	first := b.run(b.open())
	b.run(b.open())
	list := b.images()
	late := enginetest.Ref(t, "rebuild.test/late:"+enginetest.Unique())
	enginetest.Tag(t, b.e, first, late)
	enginetest.Cleanup(t, b.e, late)
	if removed, err := b.open().Sweep(t.Context(), b.e, list); err != nil || len(removed) > 0 {
		t.Errorf("removed %q, %v", removed, err)
	}
}

// A run that is killed after the engine made its image, before that was written
// down.
func TestSweepAfterKill(t *testing.T) {
	b := newSweepBed(t)
	first := b.run(b.open())
	if err := b.open().Begin("swept", b.req.Refs, b.images()); err != nil {
		t.Fatal(err)
	}
	lost := b.build()
	next := b.open()
	if err := next.Recover(t.Context(), b.e); err != nil {
		t.Fatal(err)
	}
	b.sweep(next, first)
	b.run(next)
	b.sweep(b.open(), lost)
}

// TestSweepAfterCutOff: an engine may finish and tag an image although its build was
// cancelled.
func TestSweepAfterCutOff(t *testing.T) {
	b := newSweepBed(t)
	j := b.open()
	first := b.run(j)
	if err := j.Begin("swept", b.req.Refs, b.images()); err != nil {
		t.Fatal(err)
	}
	second := b.build()
	if !j.Uncertain("swept") || !j.Unfinished() {
		t.Error("a build without an end is not uncertain")
	}
	third := b.run(j)
	if j.Uncertain("swept") {
		t.Error("a build that ended is uncertain")
	}
	b.sweep(j, first, second)

	// With no build after it, too.
	if err := j.Begin("swept", b.req.Refs, b.images()); err != nil {
		t.Fatal(err)
	}
	b.build()
	if err := j.Recover(t.Context(), b.e); err != nil {
		t.Fatal(err)
	}
	b.sweep(j, third)
}
