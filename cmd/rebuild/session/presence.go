package session

import (
	"errors"
	"fmt"
	"os"
	"time"

	"rebuild/hooks"
)

// Why a repository can't be watched any longer.
var (
	ErrGone = errors.New("the repository is gone")
	ErrLost = errors.New("the daemon's own files are gone")
)

// Presence gives what tells whether the repository and the lock of its daemon are still
// those that they are now. It outlives the session.
func (s *Session) Presence() (still func() error, err error) {
	rootPath, lockPath := s.Root, s.WatchLock()
	root, err := os.Stat(rootPath)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGone, err)
	}
	lock, err := os.Stat(lockPath)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLost, err)
	}
	return func() error {
		switch {
		case !isStill(root, rootPath):
			return fmt.Errorf("%w: %s was moved or removed", ErrGone, rootPath)
		case !isStill(lock, lockPath): // another daemon may begin
			return fmt.Errorf("%w: %s was removed", ErrLost, lockPath)
		}
		return nil
	}, nil
}

// isStill tells whether a path leads to what was there before.
func isStill(was os.FileInfo, path string) bool {
	now, err := os.Stat(path)
	return err == nil && os.SameFile(was, now)
}

// GitBusy gives what tells whether git is in the middle of changing the working tree; nil
// outside git. It outlives the session.
func (s *Session) GitBusy() func() bool {
	if s.Repo == nil {
		return nil
	}
	dir := s.Repo.GitDir
	return func() bool { return hooks.InProgress(dir, time.Now()) }
}
