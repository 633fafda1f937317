//go:build linux

package record

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

// On a full disk the old record stays, and the error says so.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	r := Open(dir, "engine")
	if err := r.Save(someRecord("app")); err != nil {
		t.Fatal(err)
	}
	big := someRecord("app")
	big.Steps[strings.Repeat("x", 1<<20)] = 1
	if err := r.Save(big); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v", err)
	}
	rec, warning := r.Load("app")
	if rec == nil || len(rec.Steps) != 1 || warning != "" {
		t.Errorf("the old record: %+v %q", rec, warning)
	}
	files, err := os.ReadDir(r.Dir())
	if err != nil || len(files) != 1 {
		t.Errorf("left behind: %v %v", files, err)
	}
	// So does what other packages keep in such a file; the error names it.
	path := r.JournalFile()
	if err := ReplaceFile(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	var at *fs.PathError
	if err := ReplaceFile(path, make([]byte, 1<<20)); !errors.As(err, &at) || at.Path != path {
		t.Errorf("error %v", err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "old" {
		t.Errorf("the old file: %q %v", data, err)
	}
}
