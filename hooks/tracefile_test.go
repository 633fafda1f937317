package hooks

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// TestTraceFile: a trace comes back as it was written, and half of one is none.
func TestTraceFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pushes", "trace")
	if _, err := ReadTrace(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	for name, want := range map[string]*Trace{
		"empty": {},
		"full": {
			Commit: "c", Folders: []string{".", "a\nb"}, Whole: []string{"\xff ü"}, Files: []string{"x y", "\t"},
			Beside: []Stamp{{"/a b", "digest"}, {Path: "/none"}}, Conversions: "g",
		},
	} {
		if err := want.Write(file); err != nil {
			t.Fatal(err)
		}
		got, err := ReadTrace(file)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n%+v\n%+v", name, err, got, want)
		}
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for n := range whole {
			if err := os.WriteFile(file, whole[:n], 0o644); err != nil {
				t.Fatal(err)
			}
			if got, err := ReadTrace(file); err == nil {
				t.Fatalf("%s: %d of %d bytes are a trace: %+v", name, n, len(whole), got)
			}
		}
	}
}

// TestTracesPruned: the oldest go.
func TestTracesPruned(t *testing.T) {
	dir := t.TempDir()
	for i := range mostTraces + 5 {
		if err := (&Trace{}).Write(filepath.Join(dir, string(rune('a'+i)))); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != mostTraces {
		t.Errorf("%d files are left, want %d: %v", len(entries), mostTraces, err)
	}
	if _, err := os.Stat(filepath.Join(dir, string(rune('a'+mostTraces+4)))); err != nil {
		t.Errorf("the newest went: %v", err)
	}
}

func FuzzTrace(f *testing.F) {
	f.Add(string((&Trace{Commit: "c", Folders: []string{"."}, Beside: []Stamp{{"/a", "d"}}}).text()))
	f.Fuzz(func(t *testing.T, text string) {
		read, err := parseTrace(text)
		if err != nil {
			return
		}
		again, err := parseTrace(string(read.text()))
		if err != nil || !reflect.DeepEqual(read, again) {
			t.Fatalf("%v\n%+v\n%+v", err, read, again)
		}
	})
}
