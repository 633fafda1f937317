package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// LogFile is where the whole log of an image's last build is kept.
func (s *Store) LogFile(image string) string {
	return filepath.Join(s.logDir(), fileName(image)+".log")
}

func (s *Store) logDir() string { return filepath.Join(s.dir, "logs") }

// mostLogs is how many bytes of logs are kept. There is one for each image that was ever
// built, of some kilobytes; a step that prints without end adds a few megabytes, since
// BuildKit clips it (BUILDKIT_STEP_LOG_MAX_SIZE).
const mostLogs = 100 << 20

// sweepLogs removes the oldest logs, until no more than most bytes are left.
func (s *Store) sweepLogs(most int64) error {
	entries, err := os.ReadDir(s.logDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("logs: %w", err)
	}
	var logs []fs.FileInfo
	for _, entry := range entries {
		if log, err := entry.Info(); err == nil && log.Mode().IsRegular() { // else it has gone
			logs = append(logs, log)
		}
	}
	slices.SortFunc(logs, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, log := range logs {
		if most -= log.Size(); most >= 0 {
			continue
		}
		if err := os.Remove(filepath.Join(s.logDir(), log.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("logs: %w", err)
		}
	}
	return nil
}
