package tree

import (
	"io/fs"
	"os"
	"path/filepath"

	"rebuild/impact"
	"rebuild/impact/safefile"
)

// readByGit are files of a repository that git opens whenever it is run, whatever they are.
var readByGit = []string{
	"HEAD", "config", "config.worktree", "commondir", "index", "packed-refs", "shallow",
	"info/attributes", "info/exclude", "info/grafts", "info/sparse-checkout", "objects/info/alternates",
}

// GitWouldWait is why git must not be run in a folder: of the repository that the folder
// lies in, one of git's own files has no end. It is nil where git may run.
func GitWouldWait(dir string) error { return waiting(gitAbove(dir)) }

// waiting is the fault of a repository that came as an archive of which one of git's own files
// is a FIFO, a socket or a device: git would wait for whoever writes to it, or read on without
// end. A .git that is no folder tells nothing here.
func waiting(dotGit string) error {
	if fi, err := os.Stat(dotGit); err != nil || !fi.IsDir() {
		return nil
	}
	none, err := os.Stat(os.DevNull)
	for _, name := range readByGit {
		file := filepath.Join(dotGit, filepath.FromSlash(name))
		fi, failed := os.Stat(file)
		if failed != nil || fi.Mode()&(fs.ModeNamedPipe|fs.ModeSocket|fs.ModeDevice) == 0 || err == nil && os.SameFile(fi, none) {
			continue
		}
		return &impact.Fault{Path: file, Cause: "git cannot read it: " + safefile.NotRegular(fi.Mode()).Error(), Hint: "rm " + impact.ShellWord(file)}
	}
	return nil
}
