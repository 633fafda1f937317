package watch

import (
	"os"
	"path/filepath"
	"strings"
)

// links follows symlinks. It remembers what it read, so it is good for one look.
type links map[string]string // by path: what the link there says; "" when it is none

// behind gives where a path leads: a path for each symlink on its way, each with one
// link fewer. The last is without any, if it exists.
func (l links) behind(path string) []string {
	var paths []string
	for range 40 { // as many as Linux follows
		next, ok := l.follow(path)
		if !ok {
			break
		}
		paths = append(paths, next)
		path = next
	}
	return paths
}

// linked tells whether a symlink is on a path's way.
func (l links) linked(path string) bool {
	_, ok := l.follow(path)
	return ok
}

// follow replaces the first symlink on a path's way with what it says.
func (l links) follow(path string) (next string, ok bool) {
	for at := len(filepath.VolumeName(path)) + 1; at <= len(path); at++ {
		if at < len(path) && path[at] != filepath.Separator {
			continue
		}
		link := path[:at]
		target, known := l[link]
		if !known {
			target, _ = os.Readlink(link)
			l[link] = target
		}
		if target == "" {
			continue
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(link), target)
		}
		return filepath.Join(target, strings.TrimPrefix(path[at:], string(filepath.Separator))), true
	}
	return "", false
}
