package record

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Of too many logs the oldest go.
func TestSweepLogs(t *testing.T) {
	s := Open(t.TempDir(), "engine")
	if err := s.sweepLogs(1); err != nil {
		t.Fatal(err) // there are none yet
	}
	if err := os.MkdirAll(s.logDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i, image := range []string{"newest", "middle", "oldest"} {
		if err := os.WriteFile(s.LogFile(image), make([]byte, 10), 0o644); err != nil {
			t.Fatal(err)
		}
		at := now.Add(-time.Duration(i) * time.Hour)
		if err := os.Chtimes(s.LogFile(image), at, at); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		most int64
		left []string
	}{{30, []string{"newest", "middle", "oldest"}}, {29, []string{"newest", "middle"}}, {10, []string{"newest"}}, {9, nil}} {
		if err := s.sweepLogs(tt.most); err != nil {
			t.Fatal(err)
		}
		found, err := filepath.Glob(filepath.Join(s.logDir(), "*"))
		if err != nil || len(found) != len(tt.left) {
			t.Fatalf("of %d bytes %q are left, %v", tt.most, found, err)
		}
		for _, image := range tt.left {
			if !slices.Contains(found, s.LogFile(image)) {
				t.Errorf("of %d bytes the log of %s is gone", tt.most, image)
			}
		}
	}
}
