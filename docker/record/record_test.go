package record

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"rebuild/impact"
)

func someRecord(image string) *Record {
	return &Record{
		Image: image, ImageID: "sha256:1", Refs: []string{"docker.io/library/a:1"},
		Parents: map[string]impact.Digest{"base": "sha256:o"}, Chain: []string{"sha256:l1", "sha256:l2"}, Config: "sha256:c",
		Steps: map[string]float64{"[1/2] RUN x": 1.5}, Built: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

// Any name has a file of its own, inside the records' folder.
func TestRecordNames(t *testing.T) {
	r := Open(t.TempDir(), "../ABCD:EFGH/é")
	names := []string{"app", "App", "a/b", "a-b", "../../etc", "..", ".", "con", "nul", "é", "a b", "a\x00b", "a\nb", strings.Repeat("x", 4000), strings.Repeat("x", 4001)}
	for _, name := range names {
		if err := r.Save(someRecord(name)); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
	}
	all, warnings := r.LoadAll(append(names, "absent"))
	if len(warnings) > 0 || len(all) != len(names) {
		t.Errorf("%d of %d records, warnings %q", len(all), len(names), warnings)
	}
	for _, name := range names {
		want := someRecord(name)
		want.Version = version
		if !reflect.DeepEqual(all[name], want) {
			t.Errorf("%q: %+v", name, all[name])
		}
	}
	files, err := os.ReadDir(r.Dir())
	if err != nil || len(files) != len(names) {
		t.Errorf("%d files, %v", len(files), err)
	}
	lower := map[string]bool{}
	for _, f := range files {
		lower[strings.ToLower(f.Name())] = true
	}
	if len(lower) != len(names) {
		t.Error("two names share a file where case does not count")
	}
}

// What cannot be used is no record, and a warning that says which and why.
func TestDamagedRecords(t *testing.T) {
	good := someRecord("app")
	dir := t.TempDir()
	r := Open(dir, "engine")
	if err := r.Save(good); err != nil {
		t.Fatal(err)
	}
	path := r.path("app")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string][]byte{
		"empty":       {},
		"truncated":   data[:len(data)/2],
		"zeros":       make([]byte, len(data)),
		"version":     bytes.Replace(data, []byte(`"version":1`), []byte(`"version":2`), 1),
		"other image": bytes.Replace(data, []byte(`"image":"app"`), []byte(`"image":"oth"`), 1),
		"types":       []byte(`{"version":1,"image":7}`),
		"no id":       []byte(`{"version":1,"image":"app"}`),
		"null":        []byte(`null`),
		"trailing":    append(bytes.Clone(data), '{'),
	}
	for name, bad := range tests {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		rec, warning := r.Load("app")
		if rec != nil || !strings.Contains(warning, "record of app") || !strings.Contains(warning, path) {
			t.Errorf("%s: %+v %q", name, rec, warning)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if rec, warning := r.Load("app"); rec != nil || warning == "" {
		t.Errorf("folder: %+v %q", rec, warning)
	}
}

// Whoever reads while it is written sees an old record or a new one.
func TestRecordsAreReplacedWhole(t *testing.T) {
	r := Open(t.TempDir(), "engine")
	var group sync.WaitGroup
	done := make(chan struct{})
	if err := r.Save(someRecord("app")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if rec, warning := r.Load("app"); rec == nil {
					t.Errorf("no record: %s", warning)
					return
				}
			}
		})
	}
	for i := range 200 {
		rec := someRecord("app")
		for j := range i {
			rec.Steps[fmt.Sprint(j)] = 1
		}
		if err := r.Save(rec); err != nil {
			t.Error(err)
		}
	}
	close(done)
	group.Wait()
}

func TestOutput(t *testing.T) {
	a, b := someRecord("a"), someRecord("b")
	if a.Output() != b.Output() {
		t.Error("the name counts")
	}
	b.Chain = b.Chain[:1]
	c := someRecord("c")
	c.Config = "other"
	if a.Output() == b.Output() || a.Output() == c.Output() {
		t.Error("chain or config do not count")
	}
}

// What a dependent takes of its parent is what counts for it.
func TestOutputFor(t *testing.T) {
	a, b := someRecord("a"), someRecord("b")
	b.Config = "other"
	files, all := impact.Parent{FilesOnly: true}, impact.Parent{}
	if a.OutputFor(files) != b.OutputFor(files) || a.OutputFor(all) == b.OutputFor(all) || a.OutputFor(all) != a.Output() {
		t.Error("a config counts for files, or does not count for all")
	}
	b = someRecord("b")
	b.Chain = b.Chain[:1]
	if a.OutputFor(files) == b.OutputFor(files) {
		t.Error("a chain does not count for files")
	}
}

// A state is its root filesystem and its config.
func TestIsOf(t *testing.T) {
	st := &impact.State{Output: "o", Config: "c"}
	rec := &Record{State: &impact.State{Output: "o", Config: "c", Name: "other"}}
	if !rec.IsOf(st) || rec.IsOf(&impact.State{Output: "o"}) || rec.IsOf(&impact.State{Output: "p", Config: "c"}) {
		t.Error("another state")
	}
	if (&Record{}).IsOf(st) || (&Record{}).IsOf(&impact.State{}) {
		t.Error("a record of no state is of one")
	}
}

func TestLastEngine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "records")
	if id := LastEngine(dir); id != "" {
		t.Errorf("%q", id)
	}
	for _, id := range []string{"one", "one", "two"} {
		if err := UseEngine(dir, id); err != nil || LastEngine(dir) != id {
			t.Errorf("%q: %q %v", id, LastEngine(dir), err)
		}
	}
	if err := os.Remove(LastEngineFile(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(LastEngineFile(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := UseEngine(dir, "one"); err == nil || LastEngine(dir) != "" {
		t.Errorf("a folder: %v %q", err, LastEngine(dir))
	}
}

// All that a store keeps lies in its own folder, each in a file of its own.
func TestFilesOfAStore(t *testing.T) {
	r := Open(t.TempDir(), "engine")
	paths := append(r.BaseFiles("docker.io/library/os:1"), r.LogFile("app"), r.JournalFile(), r.AuditFile(), r.checkedFile(), r.path("app"))
	seen := map[string]bool{}
	for _, path := range paths {
		if rel, err := filepath.Rel(r.Dir(), path); err != nil || !filepath.IsLocal(rel) || seen[path] {
			t.Errorf("%s", path)
		}
		seen[path] = true
	}
}

// A records' folder that cannot be written is an error that names the file.
func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName("engine")), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := Open(dir, "engine") // a file is in the way
	for what, err := range map[string]error{
		"record of app": r.Save(someRecord("app")), "file list": r.Save(recordOf(t, "app", "x")),
		"config of os": r.PutBase("os", BaseImage{ID: "1"}), "checked states": r.AddChecked("a"),
	} {
		if err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), r.Dir()) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := r.Tidy(); err == nil {
		t.Error("a file is tidy")
	}
	if all, warnings := r.LoadAll([]string{"app"}); len(all) > 0 || len(warnings) != 1 {
		t.Errorf("%v %q", all, warnings)
	}
}

func TestBases(t *testing.T) {
	r := Open(t.TempDir(), "engine")
	im := BaseImage{ID: "sha256:aa", Config: []byte(`{"rootfs":{"diff_ids":["x"]}}`), Chain: []string{"x"}}
	if err := r.PutBase("docker.io/library/python:3.11", im); err != nil {
		t.Fatal(err)
	}
	if got, ok := r.Base("docker.io/library/python:3.11"); !ok || !reflect.DeepEqual(got, im) {
		t.Errorf("%+v %v", got, ok)
	}
	moved := BaseImage{ID: "sha256:bb", Config: []byte(`{}`)}
	if err := r.PutBase("docker.io/library/python:3.11", moved); err != nil {
		t.Fatal(err)
	}
	if got, ok := r.Base("docker.io/library/python:3.11"); !ok || got.ID != "sha256:bb" {
		t.Errorf("%+v %v", got, ok)
	}
	if got, ok := r.BaseByID("sha256:aa"); !ok || got.ID != "sha256:aa" {
		t.Errorf("%+v %v", got, ok)
	}
	if _, ok := r.Base("docker.io/library/python:3.12"); ok {
		t.Error("never seen, and known")
	}
	if err := os.WriteFile(filepath.Join(r.baseDir(), fileName("sha256:bb")+".json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Base("docker.io/library/python:3.11"); ok {
		t.Error("damaged, and known")
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"version":1,"image":"a","image_id":"b","steps":{"x":-1}}`))
	f.Add([]byte(`{"version":1,"image":"a","failed":true,"state":{"layers":[{"inputs":[9]}]}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := parse(data)
		if (rec == nil) == (err == nil) {
			t.Fatal("a record and an error, or neither")
		}
		if rec != nil {
			_ = rec.Output()
			for _, seconds := range rec.Steps {
				if seconds < 0 {
					t.Error("a negative time")
				}
			}
		}
	})
}
