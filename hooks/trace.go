package hooks

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
)

// Trace is what the check of a commit read, found or not. A push whose commits do not
// differ from that commit in anything of it touches nothing: the check would read the
// same on both sides. Paths are slash paths from the root of the tree;
// "." is the root.
type Trace struct {
	Commit  string
	Folders []string // which names they hold, and of which mode
	Whole   []string // those of them of which each file was read as well
	Files   []string // the others that were read

	// Beside are files outside of any commit, and what they held.
	Beside []Stamp
	// Conversions is the digest of git's settings for the content of files.
	Conversions string
}

// Stamp is what a file holds: two are equal only if nothing of it changed.
type Stamp struct {
	Path   string // absolute
	Digest string // "" when there is no such file
}

// StampOf looks at a file.
func StampOf(path string) (Stamp, error) {
	data, err := readRegular(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Stamp{Path: path}, nil
	case err != nil:
		return Stamp{}, err
	}
	return Stamp{path, digest(data)}, nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
