package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"sync/atomic"

	"rebuild/impact"
)

// maxDefinition bounds the size of a definition in bytes. Five thousand targets, as many
// as are read, are about 750 KB; HCL's scanner needs a hundred times the
// size of its text.
const maxDefinition = 4 << 20

// source is one definition file as it was read.
type source struct {
	path string // from the root of the tree, or absolute
	data []byte
}

// reader reads definitions and remembers which.
type reader struct {
	files Files
	read  func(string) ([]byte, error)
	paths paths
	names []string
	left  []string // what of the files is not taken, in words
	outside

	now atomic.Value // string: the file that is read or evaluated at present
}

// evaluates notes what the reader is at, for the error of what never ends.
func (r *reader) evaluates(name string) {
	if name != "" {
		r.now.Store(name)
	}
}

// reading is the file that the reader is at; it may be asked at any time.
func (r *reader) reading() string {
	name, _ := r.now.Load().(string)
	return name
}

// open reads a definition that must be there.
func (r *reader) open(ctx context.Context, name string) (source, error) {
	src, ok, err := r.try(ctx, name)
	if err == nil && !ok {
		err = missing(&impact.Fault{Path: name, Cause: "no such file"})
	}
	return src, err
}

// listed reads a file that a variable lists; its name counts from dir. The variable is the
// user's, or by is the file of the repository that sets it.
func (r *reader) listed(ctx context.Context, dir, name, variable, by string) (source, error) {
	at, err := r.paths.resolve(dir, name)
	if err != nil {
		return source{}, err
	}
	if by == "" {
		r.name(at)
	}
	src, ok, err := r.try(ctx, at)
	if err == nil && !ok {
		err = missing(&impact.Fault{
			Path: at, Cause: "no such file, but " + variable + " names it",
			Hint: "unset " + variable + ", or name files that are there",
		})
	}
	return src, err
}

// try reads a definition that need not be there. It reads what compose and bake would, who
// follow a link out of the repository.
func (r *reader) try(ctx context.Context, name string) (source, bool, error) {
	var data []byte
	var err error
	var link *impact.LinkError
	beyond := name // of the tree
	if !isAbs(name) {
		beyond = ""
		if data, err = r.files.ReadFile(ctx, name); errors.As(err, &link) {
			beyond = link.File
		}
	}
	if beyond != "" {
		data, err = r.read(filepath.FromSlash(beyond))
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return source{}, false, nil
	case err != nil:
		return source{}, false, fmt.Errorf("definition %s: %w", name, err)
	}
	if !isAbs(name) {
		r.heard = true
	}
	if beyond != "" && !r.users[name] {
		if err := r.granted(beyond, r.paths); err != nil {
			return source{}, false, leadsTo(err, name, link)
		}
	}
	if len(data) > maxDefinition {
		return source{}, false, &impact.Fault{Path: name, Cause: fmt.Sprintf("definition is larger than %d MiB", maxDefinition>>20)}
	}
	r.remember(name)
	r.evaluates(name)
	return source{path: name, data: data}, true, nil
}

// remember notes a file that the catalog is made of.
func (r *reader) remember(name string) {
	if !slices.Contains(r.names, name) {
		r.names = append(r.names, name)
	}
}

// tryAll reads those of the named files of a folder that are there.
func (r *reader) tryAll(ctx context.Context, dir string, names []string) ([]source, error) {
	var out []source
	for _, name := range names {
		src, ok, err := r.try(ctx, path.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, src)
		}
	}
	return out, nil
}

// missingError is a Fault that is ErrNoDefinition.
type missingError struct{ fault *impact.Fault }

func missing(f *impact.Fault) error { return &missingError{f} }

func (e *missingError) Error() string   { return e.fault.Error() }
func (e *missingError) Unwrap() []error { return []error{e.fault, ErrNoDefinition} }
