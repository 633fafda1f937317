package catalog

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"rebuild/impact"
)

// Lister is a tree whose folders can be listed, so that Dockerfiles can be found
// where there is no definition. It leaves out what git ignores.
type Lister interface {
	ReadDir(ctx context.Context, dir string) ([]fs.DirEntry, error)
}

// listing remembers the folders of a tree.
type listing struct {
	tree Lister
	dirs map[string][]fs.DirEntry
	held map[[2]string]presence // by folder and source: each Dockerfile asks for the same in the folders above it
}

func (l *listing) read(ctx context.Context, dir string) ([]fs.DirEntry, error) {
	if entries, ok := l.dirs[dir]; ok {
		return entries, nil
	}
	entries, err := l.tree.ReadDir(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil {
		l.dirs[dir] = entries
	}
	return entries, err
}

// presence is what a folder has of a COPY source.
type presence int

const (
	absent  presence = iota
	allowed          // a wildcard that fits nothing, in a folder that is there
	present
)

// holds seeks a source, which may have wildcards, in a folder.
func (l *listing) holds(ctx context.Context, dir, source string) (presence, error) {
	source = strings.Trim(path.Clean("/"+source), "/")
	if source == "" {
		return present, nil
	}
	key := [2]string{dir, source}
	if p, ok := l.held[key]; ok {
		return p, nil
	}
	p, err := l.seek(ctx, dir, strings.Split(source, "/"))
	if err == nil {
		l.held[key] = p
	}
	return p, err
}

func (l *listing) seek(ctx context.Context, dir string, parts []string) (presence, error) {
	entries, err := l.read(ctx, dir)
	if err != nil {
		return absent, err
	}
	wild := impact.HasWildcard(parts[0])
	best := absent
	if wild && len(entries) > 0 { // BuildKit asks for what stands before the first wildcard alone
		best = allowed
	}
	for _, e := range entries {
		ok := e.Name() == parts[0]
		if wild {
			ok, _ = path.Match(parts[0], e.Name())
		}
		switch {
		case !ok:
			continue
		case len(parts) == 1, e.Type()&fs.ModeSymlink != 0: // where a link leads is not asked
			return present, nil
		case !e.IsDir():
			continue
		}
		h, err := l.seek(ctx, path.Join(dir, e.Name()), parts[1:])
		if err != nil {
			return absent, err
		}
		if best = max(best, h); best == present {
			break
		}
	}
	return best, nil
}
