package catalog

import (
	"path"
	"path/filepath"
	"strings"

	"rebuild/impact"
)

// paths turns the paths of definitions into those of the model: clean slash
// paths from the root of the tree, and absolute ones for what lies outside.
type paths struct {
	root string // absolute, with slashes; "" when not known
}

func newPaths(root string) paths {
	if root == "" {
		return paths{}
	}
	return paths{root: path.Clean(filepath.ToSlash(root))}
}

// resolve gives the path that name means in the folder base, itself a path of
// the model.
func (p paths) resolve(base, name string) (string, error) {
	name = filepath.ToSlash(name)
	if !isAbs(name) {
		name = path.Join(base, name)
	}
	name = path.Clean(name)
	if isAbs(name) {
		return p.inTree(name), nil
	}
	if name != ".." && !strings.HasPrefix(name, "../") {
		return name, nil
	}
	if p.root == "" {
		return "", &impact.Fault{Cause: "path " + name + " leaves the tree"}
	}
	// By way of the root a path can leave the tree and come back.
	return p.inTree(path.Join(p.root, name)), nil
}

// inTree makes an absolute path one from the root where it lies below it.
func (p paths) inTree(abs string) string {
	if p.root == "" {
		return abs
	}
	if abs == p.root {
		return "."
	}
	if rest, ok := strings.CutPrefix(abs, strings.TrimSuffix(p.root, "/")+"/"); ok {
		return rest
	}
	return abs
}

// absolute gives the path on disk of what name means in base, for what is
// read by the build's client and not from the tree: secrets, keys, caches.
func (p paths) absolute(base, name string) string {
	slash := filepath.ToSlash(name)
	if name == "" || isAbs(slash) || strings.HasPrefix(name, "~") {
		return name
	}
	slash = path.Join(base, slash)
	if !isAbs(slash) {
		slash = path.Join(p.root, slash)
	}
	return filepath.FromSlash(slash)
}

// isAbs takes "/x" for absolute on Windows too, as BuildKit does.
func isAbs(slash string) bool {
	return path.IsAbs(slash) || filepath.IsAbs(filepath.FromSlash(slash))
}
