package catalog

import (
	"context"
	"path"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/interpolation"
	pathtree "github.com/compose-spec/compose-go/v2/tree"

	"rebuild/impact"
)

// casts are what the paths pass that compose-go opens by itself, with variables replaced
// and before anything is opened, in whichever file they stand: compose-go calls them as it
// casts numbers. They lead each path to the mirror, or refuse it.
func (m *mirror) casts(ctx context.Context, r *reader, dir string) map[pathtree.Path]interpolation.Cast {
	m.climbed = 0
	file := func(name string) (any, error) {
		return m.led(ctx, r, name, func(at string) error { return m.fetch(ctx, r, at, dir) })
	}
	folder := func(name string) (any, error) {
		m.climbed += climbs(name)
		return m.led(ctx, r, name, func(at string) error { return m.putDotenv(ctx, r, at) })
	}
	return map[pathtree.Path]interpolation.Cast{
		"include.[]":                   file,
		"include.[].path":              file,
		"include.[].path.[]":           file,
		"include.[].env_file":          file,
		"include.[].env_file.[]":       file,
		"include.[].project_directory": folder,
		"services.*.extends.file":      file,
		"jobs.*.extends.file":          file,
	}
}

// led is a path as compose-go is given it, put into the mirror where it is absolute.
func (m *mirror) led(ctx context.Context, r *reader, name string, put func(at string) error) (any, error) {
	slash := filepath.ToSlash(name)
	switch {
	case name == "" || name == "/dev/null": // no environment file at all (compose-go loader.ApplyInclude)
		return name, nil
	case m.prefix == "":
		return m.lacks()
	case isAbs(slash):
		at := m.paths.inTree(path.Clean(slash))
		if err := put(at); err != nil {
			return nil, err
		}
		return m.host(at), nil
	}
	// A relative one counts from a folder that is not known here: one of a file in the
	// mirror, or from where project_directory led from there. It must not climb out.
	up := climbs(name) + m.climbed
	switch {
	case up == 0 || up <= m.depth(r) || up <= m.levels:
		return name, nil
	case up <= manyLevels && m.levels == 0:
		m.levels = manyLevels
		return m.lacks()
	}
	return nil, &impact.Fault{Cause: "the paths of include and extends lead up too many folders", Hint: "name the files from the root of the repository, or by absolute paths"}
}

// lacks is for a path that the mirror is not made for yet.
func (m *mirror) lacks() (any, error) {
	m.lacking = true
	return nil, &impact.Fault{Cause: "it refers to another file"}
}

// climbs is how many folders a path can lead up.
func climbs(name string) int {
	n := 0
	for part := range strings.SplitSeq(filepath.ToSlash(name), "/") {
		if part == ".." {
			n++
		}
	}
	return n
}

// depth is how far below the root of the file system each file lies that was read.
func (m *mirror) depth(r *reader) int {
	depth := strings.Count(m.root, "/")
	for _, name := range r.names {
		if isAbs(name) {
			depth = min(depth, strings.Count(name, "/")-1)
		}
	}
	return depth
}
