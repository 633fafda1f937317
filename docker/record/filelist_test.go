package record

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"reflect"
	"testing"

	"rebuild/impact"
)

func TestFileLists(t *testing.T) {
	r := Open(t.TempDir(), "engine")
	one, err := r.putList([]byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.putList([]byte("one"))
	if err != nil || again != one {
		t.Errorf("%v %v", again, err)
	}
	two, err := r.putList(bytes.Repeat([]byte("two"), 1<<16))
	if err != nil {
		t.Fatal(err)
	}
	if data, err := r.list(two); err != nil || len(data) != 3<<16 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	path, err := r.listPath(one)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("damage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.list(one); err == nil {
		t.Error("damaged, and given")
	}
	if _, err := r.putList([]byte("one")); err != nil {
		t.Fatal(err)
	}
	if data, err := r.list(one); err != nil || string(data) != "one" {
		t.Errorf("healed: %q %v", data, err)
	}
	for _, bad := range []impact.Digest{"", "sha256:", "sha256:../../x", "md5:00"} {
		if _, err := r.list(bad); err == nil {
			t.Errorf("%q is taken for a digest", bad)
		}
	}
}

// tree holds one file, of this content.
type tree string

func (tree) ReadFile(context.Context, string) ([]byte, error) { return nil, fs.ErrNotExist }

func (text tree) Read(_ context.Context, sel impact.Selection) (*impact.Reading, error) {
	d := impact.DigestOf("content", string(text))
	return &impact.Reading{Digest: d, Files: []impact.File{{Path: sel.Path, Mode: 0o644, Digest: d}}}, nil
}

// recordOf is a record of an image that copies the file from a tree.
func recordOf(t *testing.T, image string, from tree) *Record {
	t.Helper()
	s := impact.Scanner{Convert: func(context.Context, impact.Image, impact.ReadFile, impact.Resolve) (*impact.Graph, error) {
		return &impact.Graph{Layers: []impact.Layer{{Op: "copy", Reads: []impact.Selection{{Path: "/file"}}}}}, nil
	}}
	snapshot, err := s.Scan(t.Context(), impact.Catalog{Images: []impact.Image{{Name: image}}}, from)
	if err != nil {
		t.Fatal(err)
	}
	rec := someRecord(image)
	rec.State = snapshot.States[image]
	return rec
}

// files are those behind the first layer of an image's record.
func files(t *testing.T, r *Store, image string) []impact.File {
	t.Helper()
	rec, warning := r.Load(image)
	if rec == nil {
		t.Fatal(warning)
	}
	return r.Files(rec.State.Layers[0].Reads[0])
}

// TestOddNames: a name that is no UTF-8 comes back as it is, and so does one with the
// character that stands for such bytes elsewhere.
func TestOddNames(t *testing.T) {
	r := Open(t.TempDir(), "engine")
	want := []impact.File{{Path: "/caf\xe9", Digest: "1"}, {Path: "/caf\ufffd", Digest: "2"}, {Path: "/a\nb", Digest: "3"}}
	data, err := encodeFiles(want)
	if err != nil {
		t.Fatal(err)
	}
	list, err := r.putList(data)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Files(impact.StateRead{List: list}); !reflect.DeepEqual(got, want) {
		t.Errorf("%#v", got)
	}
}

// A record gives back the files behind its state, for as long as their list is there.
// What is saved is not changed.
func TestFilesOfARecord(t *testing.T) {
	r := Open(t.TempDir(), "engine")
	rec := recordOf(t, "app", "text")
	before := rec.State
	if err := r.Save(rec); err != nil {
		t.Fatal(err)
	}
	if rec.State != before || before.Layers[0].Reads[0].List != "" {
		t.Error("saving changed what was saved")
	}
	want := []impact.File{{Path: "/file", Mode: 0o644, Digest: impact.DigestOf("content", "text")}}
	if got := files(t, r, "app"); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	// One that was read back is saved with the lists that it has.
	again, _ := r.Load("app")
	again.Failed = true
	if err := r.Save(again); err != nil {
		t.Fatal(err)
	}
	if got := files(t, r, "app"); !reflect.DeepEqual(got, want) {
		t.Errorf("saved again: %+v", got)
	}
	if err := os.RemoveAll(r.listDir()); err != nil {
		t.Fatal(err)
	}
	if got := files(t, r, "app"); got != nil {
		t.Errorf("a lost list gives %+v", got)
	}
	if got := r.Files(impact.StateRead{}); got != nil {
		t.Errorf("no list gives %+v", got)
	}
	other, err := r.putList([]byte("no list"))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Files(impact.StateRead{List: other}); got != nil {
		t.Errorf("another content gives %+v", got)
	}
}

// Tidy removes the lists that no record has any more: of images that changed, and of
// those whose record is gone or damaged.
func TestTidySweepsFileLists(t *testing.T) {
	r := Open(t.TempDir(), "engine")
	count := func() int {
		t.Helper()
		entries, err := os.ReadDir(r.listDir())
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	tidy := func(want int) {
		t.Helper()
		if err := r.Tidy(); err != nil {
			t.Fatal(err)
		}
		if n := count(); n != want {
			t.Errorf("%d lists, want %d", n, want)
		}
	}
	for image, text := range map[string]tree{"app": "one", "twin": "one", "other": "two", "third": "three"} {
		if err := r.Save(recordOf(t, image, text)); err != nil {
			t.Fatal(err)
		}
	}
	tidy(3)
	if err := r.Save(recordOf(t, "app", "changed")); err != nil { // its twin still has the list
		t.Fatal(err)
	}
	tidy(4)
	if err := r.Save(recordOf(t, "twin", "changed")); err != nil {
		t.Fatal(err)
	}
	tidy(3)
	if err := os.Remove(r.path("other")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.path("third"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	tidy(1)
	for _, image := range []string{"app", "twin"} {
		if got := files(t, r, image); len(got) != 1 || got[0].Digest != impact.DigestOf("content", "changed") {
			t.Errorf("%s: %+v", image, got)
		}
	}
}

// What is not a list of ours is left alone.
func TestTidyLeavesOthers(t *testing.T) {
	r := Open(t.TempDir(), "engine")
	if err := os.MkdirAll(r.listDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.listDir()+"/README", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Tidy(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(r.listDir() + "/README"); err != nil {
		t.Error(err)
	}
}
