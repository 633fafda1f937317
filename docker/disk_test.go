//go:build linux

package docker

import (
	"errors"
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
	r := OpenRecords(dir, "engine")
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
	// An audit that has no room is told, and spoils none of those before it.
	log := r.AuditLog()
	if err := log.Append(someAudit(1)); err != nil {
		t.Fatal(err)
	}
	large := someAudit(2)
	large.Keys = []string{strings.Repeat("x", 1<<19)}
	if err := log.Append(large); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v", err)
	}
	if audits, warning, err := log.Read(); len(audits) != 1 || warning != "" || err != nil {
		t.Errorf("the audit before: %v %q %v", audits, warning, err)
	}
}
