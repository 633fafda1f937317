package impact

import "io/fs"

// LinkError says that a file is not there for BuildKit, since a symlink leads out of the
// tree: BuildKit follows none that does (cache/contenthash). What reads the disk does, as
// compose and bake read their definitions. It is fs.ErrNotExist.
type LinkError struct {
	Path string // as it was asked for
	File string // where it leads: an absolute slash path
}

// Error implements error.
func (e *LinkError) Error() string {
	return e.Path + ": a link leads out of the repository, to " + e.File
}

// Is tells that the file is not there.
func (e *LinkError) Is(err error) bool { return err == fs.ErrNotExist }
