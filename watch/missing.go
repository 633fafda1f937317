package watch

import (
	"path/filepath"
	"runtime"
	"strings"
)

// A watch costs one entry in a table on Linux. On macOS it opens each file of the
// folder, which in a home folder makes the system ask the user for his permission; on
// Windows it keeps the folder from being renamed.
const cheapWatches = runtime.GOOS == "linux"

// lookouts are the folders to watch besides those of the set, so that a folder is
// seen to appear, and to be replaced by way of a folder above it: all that lie
// between, where a watch is cheap, and above a missing one as far as the first that
// exists. The set must hold cleaned absolute paths.
func lookouts(set []string, exists func(string) bool) map[string]bool {
	found := map[string]bool{}
	top := ""
	if cheapWatches {
		top = parentOfAll(set)
	}
	for _, path := range set {
		for !exists(path) || cheapWatches && path != top && within(path, top) {
			parent := filepath.Dir(path)
			if parent == path || found[parent] {
				break
			}
			found[parent] = true
			path = parent
		}
	}
	return found
}

// parentOfAll is the lowest folder that has all of the set below it.
func parentOfAll(set []string) string {
	top := ""
	for _, path := range set {
		if top == "" {
			top = filepath.Dir(path)
		}
		for !within(filepath.Dir(path), top) {
			top = filepath.Dir(top)
		}
	}
	return top
}

// within tells whether path is dir or lies below it.
func within(path, dir string) bool {
	rest, below := strings.CutPrefix(path, dir)
	return below && (rest == "" || rest[0] == filepath.Separator || strings.HasSuffix(dir, string(filepath.Separator)))
}
