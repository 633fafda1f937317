package session

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A daemon notices that its repository, or its lock, is no longer what it was.
func TestPresence(t *testing.T) {
	dir := t.TempDir()
	s := &Session{Root: filepath.Join(dir, "repo"), State: dir}
	if _, err := s.Presence(); !errors.Is(err, ErrGone) {
		t.Errorf("without a repository: %v", err)
	}
	if err := os.Mkdir(s.Root, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Presence(); !errors.Is(err, ErrLost) {
		t.Errorf("without a lock: %v", err)
	}
	if err := os.WriteFile(s.WatchLock(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check, err := s.Presence()
	if err != nil {
		t.Fatal(err)
	}
	if err := check(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "other"), nil, 0o600); err != nil { // so that it gets another inode
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "other"), s.WatchLock()); err != nil {
		t.Fatal(err)
	}
	if err := check(); !errors.Is(err, ErrLost) || !strings.HasSuffix(err.Error(), "watch.lock was removed") {
		t.Errorf("with another lock: %v", err)
	}
	if err := os.Rename(s.Root, s.Root+"-elsewhere"); err != nil {
		t.Fatal(err)
	}
	if err := check(); !errors.Is(err, ErrGone) || !strings.HasSuffix(err.Error(), "repo was moved or removed") {
		t.Errorf("with another place: %v", err)
	}
}
