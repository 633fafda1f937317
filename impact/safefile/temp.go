package safefile

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// tempPrefix begins the names of temporary folders; the id of the process that made it
// comes next.
const tempPrefix = "rebuild-"

// TempDir makes a folder among the system's temporary files, which the caller removes. It
// takes away those of processes that were killed before they could.
func TempDir() (string, error) {
	sweep(os.TempDir())
	dir, err := os.MkdirTemp("", tempPrefix+strconv.Itoa(os.Getpid())+"-")
	if err == nil {
		temps.Store(dir, true)
	}
	return dir, err
}

// temps are the folders that this process made.
var temps sync.Map

// RemoveTemps takes away the folders whose users were given up before they could. It is
// for the end of the process: one that is at work yet may fill its folder meanwhile.
func RemoveTemps() {
	for dir := range temps.Range {
		for range 3 {
			if os.RemoveAll(dir.(string)) == nil {
				break
			}
		}
	}
}

// sweep removes the folders of processes that are no more. What belongs to another user,
// and cannot be removed, stays.
func sweep(dir string) {
	left, err := filepath.Glob(filepath.Join(dir, tempPrefix+"[0-9]*-*"))
	if err != nil {
		return
	}
	for _, name := range left {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(name), tempPrefix), "-")
		pid, err := strconv.Atoi(owner)
		if fi, lerr := os.Lstat(name); err == nil && lerr == nil && fi.IsDir() && ended(pid) {
			_ = os.RemoveAll(name)
		}
	}
}
