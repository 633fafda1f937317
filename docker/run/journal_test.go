package run_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rebuild/docker"
	"rebuild/docker/run"
)

// shelf is a journal with the double whose images it follows.
type shelf struct {
	t      *testing.T
	double *double
	path   string
}

func newShelf(t *testing.T) *shelf {
	return &shelf{t: t, double: newDouble(), path: filepath.Join(t.TempDir(), "made", "journal.json")}
}

// open is the journal as the next process finds it.
func (s *shelf) open() *run.Journal {
	s.t.Helper()
	j, warning := run.OpenJournal(s.path)
	if warning != "" {
		s.t.Fatal(warning)
	}
	return j
}

func (s *shelf) images() docker.Images {
	s.t.Helper()
	images, err := s.double.Images(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return images
}

// build makes an image of its own under the image's reference.
func (s *shelf) build(image, what string) string {
	s.t.Helper()
	req := docker.Request{Dockerfile: []byte("RUN " + what), Refs: []string{refOf(image)}, Progress: docker.Sinks{}}
	res, err := s.double.Build(s.t.Context(), req)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.ImageID
}

func (s *shelf) begin(j *run.Journal, image string) {
	s.t.Helper()
	if err := j.Begin(image, []string{refOf(image)}, s.images()); err != nil {
		s.t.Fatal(err)
	}
}

// run is a build with its begin and end.
func (s *shelf) run(j *run.Journal, image, what string) string {
	s.t.Helper()
	s.begin(j, image)
	id := s.build(image, what)
	if err := j.End(image, id); err != nil {
		s.t.Fatal(err)
	}
	return id
}

func (s *shelf) sweep(j *run.Journal, want ...string) {
	s.t.Helper()
	removed, err := j.Sweep(s.t.Context(), s.double, s.images())
	if err != nil || !slices.Equal(removed, want) {
		s.t.Errorf("removed %q, want %q, %v", removed, want, err)
	}
	for _, id := range want {
		if s.images().Has(id) {
			s.t.Errorf("%s is still there", id)
		}
	}
}

func TestSweep(t *testing.T) {
	s := newShelf(t)
	foreign := s.build("app", "foreign") // by somebody else
	first := s.run(s.open(), "app", "first")
	second := s.run(s.open(), "app", "second")
	third := s.run(s.open(), "app", "third")
	s.sweep(s.open(), first, second)
	s.sweep(s.open())
	if !s.images().Has(foreign) || !s.images().Has(third) {
		t.Error("too much is gone")
	}
	// A build that makes what there was before makes it the current one again.
	fourth := s.run(s.open(), "app", "fourth")
	if again := s.run(s.open(), "app", "third"); again != third {
		t.Fatalf("%s is not %s", again, third)
	}
	s.sweep(s.open(), fourth)
	// What is one image's past is another's present.
	s.run(s.open(), "app", "fifth")
	if twin := s.run(s.open(), "twin", "third"); twin != third {
		t.Fatalf("%s is not %s", twin, third)
	}
	delete(s.double.refs, refOf("twin"))
	s.sweep(s.open())
}

// An image that has a tag, or that something uses, stays for as long.
func TestSweepLeavesWhatIsNeeded(t *testing.T) {
	s := newShelf(t)
	used := s.run(s.open(), "app", "used")
	tagged := s.run(s.open(), "app", "tagged")
	s.run(s.open(), "app", "current")
	s.double.used[used] = true
	s.double.refs[refOf("kept")] = tagged
	s.sweep(s.open())
	if s.double.tries != 1 {
		t.Errorf("the builder was called %d times for one image that may go", s.double.tries)
	}
	delete(s.double.used, used)
	s.sweep(s.open(), used)
	list := s.images()
	delete(s.double.refs, refOf("kept"))
	s.double.refs[refOf("late")] = tagged // after the list was made
	if removed, err := s.open().Sweep(t.Context(), s.double, list); err != nil || len(removed) > 0 {
		t.Errorf("removed %q, %v", removed, err)
	}
	// Somebody else removes it: it is forgotten.
	delete(s.double.refs, refOf("late"))
	delete(s.double.images, tagged)
	s.sweep(s.open())
	s.build("app", "tagged") // anew, by somebody else
	delete(s.double.refs, refOf("app"))
	s.sweep(s.open())
}

// A builder's store cannot be asked: nothing is swept, and the builder is not called.
func TestSweepOfABuilder(t *testing.T) {
	s := newShelf(t)
	s.run(s.open(), "app", "first")
	s.run(s.open(), "app", "second")
	if removed, err := s.open().Sweep(t.Context(), nil, docker.Images{}); err != nil || len(removed) > 0 {
		t.Errorf("removed %q, %v", removed, err)
	}
}

// When the engine goes away in the middle, what is gone is known, and the rest is tried
// again.
func TestSweepFails(t *testing.T) {
	s := newShelf(t)
	a := s.run(s.open(), "app", "a")
	b := s.run(s.open(), "app", "b")
	s.run(s.open(), "app", "c")
	breaks := &breaksAt{double: s.double, after: 1}
	removed, err := s.open().Sweep(t.Context(), breaks, s.images())
	if !slices.Equal(removed, []string{a}) || !errors.Is(err, errBroken) {
		t.Errorf("removed %q, %v", removed, err)
	}
	s.sweep(s.open(), b)
}

var errBroken = errors.New("broken")

// breaksAt fails to remove images after some.
type breaksAt struct {
	*double
	after int
}

// RemoveUntagged implements run.Builder.
func (b *breaksAt) RemoveUntagged(ctx context.Context, id string) (bool, error) {
	if b.after--; b.after < 0 {
		return false, errBroken
	}
	return b.double.RemoveUntagged(ctx, id)
}

// What a run made that was killed before it could say so is known by the reference that
// it moved.
func TestRecover(t *testing.T) {
	s := newShelf(t)
	first := s.run(s.open(), "app", "first")
	killed := s.open()
	s.begin(killed, "app")
	lost := s.build("app", "lost")

	next := s.open()
	if !next.Unfinished() || !next.Uncertain("app") || next.Uncertain("other") {
		t.Error("the killed build is not known")
	}
	if err := next.Recover(t.Context(), s.double); err != nil {
		t.Fatal(err)
	}
	if next.Unfinished() || s.open().Unfinished() {
		t.Error("it is recovered, and still open")
	}
	s.sweep(next, first)
	s.run(next, "app", "second")
	s.sweep(s.open(), lost)

	// One that made nothing leaves what was there.
	s.begin(s.open(), "app")
	next = s.open()
	if err := next.Recover(t.Context(), s.double); err != nil {
		t.Fatal(err)
	}
	s.sweep(next)
}

// An engine may finish and tag an image although its build was cancelled: the next
// build's begin finds it.
func TestBeginAfterCutOff(t *testing.T) {
	s := newShelf(t)
	j := s.open()
	first := s.run(j, "app", "first")
	s.begin(j, "app")
	second := s.build("app", "second")
	third := s.run(j, "app", "third")
	if j.Uncertain("app") {
		t.Error("a build that ended is uncertain")
	}
	s.sweep(j, first, second)
	if err := j.End("app", ""); err != nil { // one that made nothing
		t.Fatal(err)
	}
	s.sweep(j)
	if !s.images().Has(third) {
		t.Error("the current image is gone")
	}
}

// A journal that is damaged, or of another version, is begun anew with one line. Nothing
// that it knew is removed.
func TestDamagedJournal(t *testing.T) {
	s := newShelf(t)
	var none docker.Images
	s.run(s.open(), "app", "first")
	s.run(s.open(), "app", "second")
	for _, bad := range []string{"", "{", `{"version":9}`, `{"version":1,"made":[]}`} {
		if err := os.WriteFile(s.path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		j, warning := run.OpenJournal(s.path)
		if j == nil || !strings.Contains(warning, s.path) || strings.Contains(warning, "\n") {
			t.Errorf("%q: warning %q", bad, warning)
		}
		s.sweep(j)
		if err := errors.Join(j.Begin("a", nil, none), j.Recover(t.Context(), newDouble()), j.End("a", "")); err != nil {
			t.Errorf("%q: %v", bad, err)
		}
		s.open()
	}
	if err := os.WriteFile(s.path, []byte(`{"version":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(s.open(), "app", "third")
}

// A journal that cannot be written is an error that names it.
func TestJournalIsNotWritten(t *testing.T) {
	s := newShelf(t)
	j := s.open()
	first := s.run(j, "app", "first")
	s.run(j, "app", "second")
	if err := errors.Join(os.RemoveAll(filepath.Dir(s.path)), os.WriteFile(filepath.Dir(s.path), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	named := func(err error) bool { return err != nil && strings.Contains(err.Error(), filepath.Dir(s.path)) }
	if err := j.Begin("app", nil, s.images()); !named(err) {
		t.Errorf("begin: %v", err)
	}
	if err := j.Recover(t.Context(), s.double); !named(err) {
		t.Errorf("recover: %v", err)
	}
	if err := j.End("app", ""); !named(err) {
		t.Errorf("end: %v", err)
	}
	if removed, err := j.Sweep(t.Context(), s.double, s.images()); !named(err) || !slices.Equal(removed, []string{first}) {
		t.Errorf("sweep: %q %v", removed, err)
	}
}

// A run removes what it superseded, and what a run before it left.
func TestRunSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "app", "RUN first 1s")
		b.bring()
		first := b.double.refs[refOf("app")]
		b.files["app"] = "RUN second 1s"
		report := b.bring()
		if !slices.Equal(report.Removed, []string{first}) || len(b.double.images) != 1 || b.journal.Unfinished() {
			t.Errorf("removed %q, of %d images", report.Removed, len(b.double.images)+1)
		}

		// A run that is killed in the middle of a build.
		second := b.double.refs[refOf("app")]
		j, _ := run.OpenJournal(b.records.JournalFile())
		images, _ := b.double.Images(t.Context())
		if err := j.Begin("app", []string{refOf("app")}, images); err != nil {
			t.Fatal(err)
		}
		b.double.images["sha256:lost"] = &stored{}
		b.double.refs[refOf("app")] = "sha256:lost"
		b.files["app"] = "RUN third 1s"
		report = b.bring()
		slices.Sort(report.Removed)
		want := []string{second, "sha256:lost"}
		slices.Sort(want)
		if !slices.Equal(report.Removed, want) || len(b.double.images) != 1 {
			t.Errorf("removed %q, want %q", report.Removed, want)
		}
	})
}

// A run that builds nothing finds out what a killed one left.
func TestRunRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "app", "RUN first 1s", "other", "RUN other 1s")
		b.bring()
		j, _ := run.OpenJournal(b.records.JournalFile())
		images, _ := b.double.Images(t.Context())
		if err := j.Begin("app", []string{refOf("app")}, images); err != nil {
			t.Fatal(err)
		}
		b.selected = []string{"other"}
		b.bring()
		b.expect()
		if b.journal.Unfinished() {
			t.Error("the killed build is still open")
		}
	})
}

// A build that was superseded may have tagged its image all the same. The one after it
// asks the engine what it has, and the run removes what nobody wants.
func TestRunAfterCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "app", "RUN one 10s")
		b.double.stubborn["app"] = true
		calls := -1
		report, _, err := b.follow(t.Context(), []then{{3 * time.Second, func(b *bed) {
			b.files["app"] = "RUN two 10s"
			calls = b.double.calls
		}}})
		if err != nil {
			t.Fatal(err)
		}
		b.expect("app superseded", "app built")
		if len(report.Removed) != 1 || len(b.double.images) != 1 {
			t.Errorf("removed %q", report.Removed)
		}
		if n := b.double.calls - calls; n != 3 { // for the newer job, before its build, for the sweep
			t.Errorf("the engine was asked %d times", n)
		}
		b.current("app")
	})
}

// When the engine cannot list its images, the build after one that was cut off fails,
// and the sweep is left for the next run with one line.
func TestImagesCannotBeListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, "app", "RUN one 1s", "other", "RUN other 1s")
		j, _ := run.OpenJournal(b.records.JournalFile())
		if err := j.Begin("app", []string{refOf("app")}, docker.Images{}); err != nil {
			t.Fatal(err)
		}
		job := b.job()
		b.double.noList = errBroken
		report, err := b.run(t.Context(), job)
		if err != nil || !errors.Is(b.errs["app"], errBroken) || report.Count(run.Built) != 1 {
			t.Errorf("%v, %v", err, b.errs["app"])
		}
		if len(report.Warnings) != 1 || !strings.HasPrefix(report.Warnings[0], "superseded images are left for the next run: ") {
			t.Errorf("warnings %q", report.Warnings)
		}
	})
}

// A folder of records that cannot be written fails what is built, and says where.
func TestRecordsAreNotWritten(t *testing.T) {
	for _, journal := range []bool{true, false} { // whether the journal can be
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, "app", "RUN app 1s", "child", "FROM app\nRUN child 1s", "bad", "RUN bad 1s fail")
			if err := os.WriteFile(b.records.Dir(), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			b.log = nil
			file := b.records.JournalFile()
			if journal {
				file = filepath.Join(t.TempDir(), "journal.json")
			}
			j, warning := run.OpenJournal(file)
			if (warning == "") != journal || strings.Count(warning, file) > 1 {
				t.Errorf("warning %q", warning)
			}
			report, err := b.run(t.Context(), b.plan(nil), func(r *run.Run) { r.Journal = j })
			if err != nil || report.Count(run.Failed) != 2 || report.Outcome("child").Status != run.Skipped || len(report.Warnings) == 0 {
				t.Errorf("%v, %q, %q", err, b.outcomes, report.Warnings)
			}
			for _, name := range []string{"app", "bad"} {
				if e := b.errs[name]; e == nil || !strings.Contains(e.Error(), b.records.Dir()) {
					t.Errorf("%s: %v", name, e)
				}
			}
			var failure *docker.BuildFailure
			if errors.As(b.errs["bad"], &failure) != journal {
				t.Errorf("what failed is not said: %v", b.errs["bad"])
			}
		})
	}
}
