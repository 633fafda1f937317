package record

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"rebuild/impact/safefile"
)

func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b", "file")
	for _, text := range []string{"one", "two", ""} {
		if err := ReplaceFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != text {
			t.Errorf("%q %v", data, err)
		}
		if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode() != safefile.FileMode {
			t.Errorf("%v %v", info, err)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

// An error names the file that was to be replaced, not the temporary one, and leaves
// nothing behind.
func TestReplaceFileFails(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Skipf("symlink: %v", err)
	}
	for path, named := range map[string]string{taken: taken, filepath.Join(file, "below"): file, link: link} {
		err := ReplaceFile(path, []byte("x"))
		var at *fs.PathError
		if !errors.As(err, &at) || at.Path != named {
			t.Errorf("error %#v", err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 3 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

// Whatever the error is of, it names the file.
func TestNaming(t *testing.T) {
	cause := errors.New("cause")
	for _, err := range []error{
		&fs.PathError{Op: "write", Path: "/x/.tmp-a1", Err: cause},
		&os.LinkError{Op: "rename", Old: "/x/.tmp-a1", New: "/x/a", Err: cause},
		cause,
	} {
		var at *fs.PathError
		if got := naming("/x/a", err); !errors.As(got, &at) || at.Path != "/x/a" || !errors.Is(got, cause) || strings.Contains(got.Error(), ".tmp-") {
			t.Errorf("%v", got)
		}
	}
}

// What a killed process left goes; what one is just writing stays.
func TestTidyRemovesLeftovers(t *testing.T) {
	r := Open(t.TempDir(), "engine")
	if err := r.Tidy(); err != nil {
		t.Fatal(err)
	}
	if err := r.Save(someRecord("app")); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-2 * tempAge)
	for _, dir := range []string{filepath.Dir(r.dir), r.dir, r.listDir(), r.baseDir(), r.runDir()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		// As atomicwriter names them.
		for _, name := range []string{".tmp-file1", ".tmp-file2"} {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chtimes(filepath.Join(dir, ".tmp-file1"), long, long); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Tidy(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Dir(r.dir), r.dir, r.listDir(), r.baseDir(), r.runDir()} {
		if _, err := os.Stat(filepath.Join(dir, ".tmp-file1")); err == nil {
			t.Errorf("%s: the old one stays", dir)
		}
		if _, err := os.Stat(filepath.Join(dir, ".tmp-file2")); err != nil {
			t.Errorf("%s: the fresh one is gone", dir)
		}
	}
	if rec, _ := r.Load("app"); rec == nil {
		t.Error("the record is gone")
	}
}
