package tree

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

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
// end. A .git may be a file that names the folder, as that of a submodule or of a linked
// working tree is (gitrepository-layout).
func waiting(dotGit string) error {
	fi, err := os.Stat(dotGit)
	switch {
	case err != nil:
		return nil
	case fi.Mode().IsRegular():
		if dotGit = named(dotGit, "gitdir: "); dotGit == "" {
			return nil
		}
	case !fi.IsDir():
		return nil
	}
	if err := waitingIn(dotGit); err != nil {
		return err
	}
	if common := named(filepath.Join(dotGit, "commondir"), ""); common != "" {
		return waitingIn(common)
	}
	return nil
}

// named is the folder that one of git's files names after a prefix, "" when it names none.
func named(file, prefix string) string {
	text, err := safefile.Read(file, safefile.Text)
	path, ok := strings.CutPrefix(strings.TrimRight(string(text), "\r\n"), prefix)
	if err != nil || !ok || path == "" {
		return ""
	}
	if path = filepath.FromSlash(path); !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(file), path)
	}
	return path
}

func waitingIn(gitDir string) error {
	none, _ := os.Stat(os.DevNull) // which is no fault: nothing is in it
	for _, name := range readByGit {
		file := filepath.Join(gitDir, filepath.FromSlash(name))
		fi, err := os.Stat(file)
		if err != nil || none != nil && os.SameFile(fi, none) {
			continue
		}
		if err := endless(file, fi); err != nil {
			return err
		}
	}
	return nil
}

// endless is the fault of a file that git reads, and that has no end.
func endless(file string, fi fs.FileInfo) error {
	if fi.Mode()&(fs.ModeNamedPipe|fs.ModeSocket|fs.ModeDevice) == 0 {
		return nil
	}
	return &impact.Fault{Path: file, Cause: "git cannot read it: " + safefile.NotRegular(fi.Mode()).Error(), Hint: "rm " + impact.ShellWord(file)}
}
