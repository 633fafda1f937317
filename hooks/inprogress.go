package hooks

import (
	"os"
	"path/filepath"
	"time"
)

// A lock or a step of git's is older than this only when git was killed, or waits for
// its user (a rebase that stopped at a conflict): then nothing more comes by itself.
const (
	lockLasts = 30 * time.Second
	stepLasts = time.Second
)

// InProgress tells whether git is in the middle of changing the working tree of a git
// folder (of a linked worktree: its own): it holds the index (index.lock), or is
// between two steps of a rebase (rebase-merge/msgnum and rebase-apply/next count them).
func InProgress(gitDir string, now time.Time) bool {
	for name, lasts := range map[string]time.Duration{
		"index.lock": lockLasts, "rebase-merge/msgnum": stepLasts, "rebase-apply/next": stepLasts,
	} {
		fi, err := os.Lstat(filepath.Join(gitDir, filepath.FromSlash(name)))
		if err == nil && now.Sub(fi.ModTime()) < lasts {
			return true
		}
	}
	return false
}
