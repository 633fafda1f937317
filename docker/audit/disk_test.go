//go:build linux

package audit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// On a full disk an audit that has no room is reported, and spoils none of those before
// it.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	log := OpenLog(filepath.Join(dir, "audit.jsonl"))
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
