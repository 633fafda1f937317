package docker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// memoryFS is a flat folder of files in memory.
type memoryFS map[string][]byte

func (m memoryFS) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	names := make([]string, 0, len(m))
	for name := range m {
		if target == "" || target == "." || target == "/" || path.Clean(target) == name {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		data := m[name]
		entry := &fsutil.DirEntryInfo{Stat: &fstypes.Stat{
			Path: name, Mode: 0o644, Size: int64(len(data)), ModTime: contentTime(data),
		}}
		if err := fn(name, entry, nil); err != nil {
			return err
		}
	}
	return nil
}

func (m memoryFS) Open(name string) (io.ReadCloser, error) {
	data, ok := m[path.Clean(strings.ReplaceAll(name, `\`, "/"))]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// contentTime is a modification time that differs whenever the content does: the
// engine's file sync takes files of equal size and time for equal. It lies
// between 1970 and 2006.
func contentTime(data []byte) int64 {
	sum := sha256.Sum256(data)
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 4)
}

// plainName is a file name without a meaning to pattern matchers.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)

// definitionFS holds the Dockerfile, with the ignore file in effect beside it
// under the name that wins over any other.
func definitionFS(req *Request) (files memoryFS, name string) {
	name = path.Base(req.DockerfileName)
	if !plainName.MatchString(name) {
		name = "Dockerfile"
	}
	ignore := req.Ignore
	if len(bytes.TrimSpace(ignore)) == 0 {
		// The frontend takes an empty one for none, and then looks for another in
		// the context.
		ignore = []byte("# nothing is ignored\n")
	}
	return memoryFS{name: req.Dockerfile, name + ".dockerignore": ignore}, name
}
