package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// A plan and the build that follows it must be given the same text, whatever
// happens to the file in between.
func TestAFileIsReadOnce(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a", "1")
	first, err := Folder(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	read := func(w *Worktree, name string) string {
		dt, err := w.ReadFile(t.Context(), name)
		if errors.Is(err, fs.ErrNotExist) {
			return "absent"
		}
		if err != nil {
			t.Fatal(err)
		}
		return string(dt)
	}
	if a, b := read(first, "a"), read(first, "b"); a != "1" || b != "absent" {
		t.Fatalf("%q %q", a, b)
	}
	write("a", "2")
	write("b", "2")
	if a, b := read(first, "./a"), read(first, "b"); a != "1" || b != "absent" {
		t.Errorf("the tree sees what came later: %q %q", a, b)
	}
	second, err := Folder(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := read(second, "a"), read(second, "b"); a != "2" || b != "2" {
		t.Errorf("a later tree sees what was: %q %q", a, b)
	}
}
