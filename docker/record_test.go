package docker

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
		Image: image, ImageID: "sha256:1", Refs: []string{"docker.io/library/a:1"}, Definition: "sha256:d",
		Parents: map[string]impact.Digest{"base": "sha256:o"}, Chain: []string{"sha256:l1", "sha256:l2"}, Config: "sha256:c",
		Steps: map[string]float64{"[1/2] RUN x": 1.5}, Built: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

// Any name has a file of its own, inside the records' folder.
func TestRecordNames(t *testing.T) {
	r := OpenRecords(t.TempDir(), "../ABCD:EFGH/é")
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
		want.Version = recordVersion
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
	if err := r.Remove("app"); err != nil {
		t.Error(err)
	}
	if err := r.Remove("app"); err != nil {
		t.Error(err)
	}
	if rec, warning := r.Load("app"); rec != nil || warning != "" {
		t.Errorf("removed: %v %q", rec, warning)
	}
}

// What cannot be used is no record, and a warning that says which and why.
func TestDamagedRecords(t *testing.T) {
	good := someRecord("app")
	dir := t.TempDir()
	r := OpenRecords(dir, "engine")
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
	r := OpenRecords(t.TempDir(), "engine")
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

func TestManifests(t *testing.T) {
	r := OpenRecords(t.TempDir(), "engine")
	one, err := r.PutManifest([]byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.PutManifest([]byte("one"))
	if err != nil || again != one {
		t.Errorf("%v %v", again, err)
	}
	two, err := r.PutManifest(bytes.Repeat([]byte("two"), 1<<16))
	if err != nil {
		t.Fatal(err)
	}
	if data, err := r.Manifest(two); err != nil || len(data) != 3<<16 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if err := r.SweepManifests(map[impact.Digest]bool{one: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Manifest(two); err == nil {
		t.Error("swept, and still there")
	}
	path, err := r.manifestPath(one)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("damage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Manifest(one); err == nil {
		t.Error("damaged, and given")
	}
	if _, err := r.PutManifest([]byte("one")); err != nil {
		t.Fatal(err)
	}
	if data, err := r.Manifest(one); err != nil || string(data) != "one" {
		t.Errorf("healed: %q %v", data, err)
	}
	for _, bad := range []impact.Digest{"", "sha256:", "sha256:../../x", "md5:00"} {
		if _, err := r.Manifest(bad); err == nil {
			t.Errorf("%q is taken for a digest", bad)
		}
	}
}

func TestBases(t *testing.T) {
	r := OpenRecords(t.TempDir(), "engine")
	im := Image{ID: "sha256:aa", Config: []byte(`{"rootfs":{"diff_ids":["x"]}}`), Chain: []string{"x"}}
	if err := r.PutBase("docker.io/library/python:3.11", im); err != nil {
		t.Fatal(err)
	}
	if got, ok := r.Base("docker.io/library/python:3.11"); !ok || !reflect.DeepEqual(got, im) {
		t.Errorf("%+v %v", got, ok)
	}
	moved := Image{ID: "sha256:bb", Config: []byte(`{}`)}
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
	if err := os.WriteFile(filepath.Join(r.configs(), fileName("sha256:bb")+".json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Base("docker.io/library/python:3.11"); ok {
		t.Error("damaged, and known")
	}
}

// What a killed process left goes; what one is just writing stays.
func TestTidy(t *testing.T) {
	r := OpenRecords(t.TempDir(), "engine")
	if err := r.Tidy(); err != nil {
		t.Fatal(err)
	}
	if err := r.Save(someRecord("app")); err != nil {
		t.Fatal(err)
	}
	old, fresh := filepath.Join(r.Dir(), tempPrefix+"1"), filepath.Join(r.Dir(), tempPrefix+"2")
	for _, path := range []string{old, fresh} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-2 * tempAge)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	if err := r.Tidy(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("the old one stays")
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Error("the fresh one is gone")
	}
	if rec, _ := r.Load("app"); rec == nil {
		t.Error("the record is gone")
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"version":1,"image":"a","image_id":"b","steps":{"x":-1}}`))
	f.Add([]byte(`{"version":1,"image":"a","failed":true,"state":{"layers":[{"inputs":[9]}]}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := parseRecord(data)
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
