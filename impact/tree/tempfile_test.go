package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestReplaceFile: a file that cannot be replaced is named in the error, and nothing is
// left beside it.
func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	for _, text := range []string{"one", "two"} {
		must(t, replaceFile(file, []byte(text)))
		if got, err := os.ReadFile(file); err != nil || string(got) != text {
			t.Errorf("it holds %q, %v", got, err)
		}
	}
	folder := filepath.Join(dir, "folder")
	must(t, os.MkdirAll(filepath.Join(folder, "x"), 0o755))
	for _, file := range []string{folder, filepath.Join(dir, "none", "f")} {
		var at *fs.PathError
		if err := replaceFile(file, nil); !errors.As(err, &at) || at.Path != file {
			t.Errorf("%s: the error is %v", file, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) != 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{
		".new-old": 2 * leftAfter, ".clock-old": 2 * leftAfter, ".new-young": leftAfter / 2, "old": 2 * leftAfter,
	} {
		file := filepath.Join(dir, name)
		must(t, os.WriteFile(file, nil, 0o644))
		must(t, os.Chtimes(file, now.Add(-age), now.Add(-age)))
	}
	sweep(dir, now)
	for name, want := range map[string]bool{".new-old": false, ".clock-old": false, ".new-young": true, "old": true} {
		if _, err := os.Lstat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s is there: %v", name, err == nil)
		}
	}
}
