package hooks

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestInProgress(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		file string
		age  time.Duration
		want bool
	}{
		{"", 0, false},
		{"index", 0, false},
		{"index.lock", 0, true},
		{"index.lock", 29 * time.Second, true},
		{"index.lock", 31 * time.Second, false}, // of a git that was killed
		{"index.lock", -time.Minute, true},      // the clock was set back
		{"rebase-merge/msgnum", 0, true},
		{"rebase-merge/msgnum", 2 * time.Second, false}, // it stopped at a conflict
		{"rebase-merge/done", 0, false},
		{"rebase-apply/next", 0, true},
		{"rebase-apply/next", 2 * time.Second, false},
	} {
		dir := t.TempDir()
		if c.file != "" {
			path := filepath.Join(dir, filepath.FromSlash(c.file))
			at := now.Add(-c.age)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		}
		if got := InProgress(dir, now); got != c.want {
			t.Errorf("%q of %s ago: %v", c.file, c.age, got)
		}
	}
	if InProgress(filepath.Join(t.TempDir(), "nothing"), now) {
		t.Error("a folder that there is not")
	}
}
