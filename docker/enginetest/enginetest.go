// Package enginetest gives tests a real Docker engine, and a base image that
// needs no registry.
package enginetest

import (
	"bytes"
	"context"
	"hash/fnv"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"

	"rebuild/docker"
	"rebuild/impact"
)

// Connect gives the engine that the environment names. REBUILD_TEST_ENGINE=off
// skips the test; without an engine it fails.
func Connect(t testing.TB) *docker.Engine {
	t.Helper()
	if os.Getenv("REBUILD_TEST_ENGINE") == "off" {
		t.Skip("REBUILD_TEST_ENGINE=off")
	}
	e, err := docker.Connect(t.Context(), docker.Options{})
	if err == nil {
		_, err = e.ID(t.Context())
	}
	if err != nil {
		t.Fatalf("this test needs a docker engine (REBUILD_TEST_ENGINE=off skips it): %v", err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// busyboxFile is Debian's static busybox (package busybox-static).
const busyboxFile = "/bin/busybox"

// Busybox makes an image with a shell and its tools, and root and nobody as
// users. The reference is removed when the test ends.
func Busybox(t testing.TB, e *docker.Engine, ref string) {
	t.Helper()
	busybox(t, e, ref, nil)
}

// Stub is a Busybox that also holds what the corpora's Dockerfiles take from any
// image: a file /stub, and a /tmp that all may write to.
func Stub(t testing.TB, e *docker.Engine, ref string) {
	t.Helper()
	busybox(t, e, ref, Files{"stub": {Data: []byte("stub\n")}, "tmp/.keep": {}})
}

func busybox(t testing.TB, e *docker.Engine, ref string, more Files) {
	t.Helper()
	program, err := os.ReadFile(busyboxFile)
	if err != nil {
		t.Fatalf("this test needs a static busybox (apt-get install busybox-static): %v", err)
	}
	files := Files{
		"bin/busybox": {Data: program, Mode: 0o755},
		"etc/passwd":  {Data: []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")},
		"etc/group":   {Data: []byte("root:x:0:\nnobody:x:65534:\n")},
	}
	maps.Copy(files, more)
	_, err = e.Build(t.Context(), docker.Request{
		Image:      impact.Image{Name: "busybox"},
		Dockerfile: []byte("FROM scratch\nCOPY . /\nRUN [\"/bin/busybox\", \"--install\", \"/bin\"]\nRUN mkdir -p /tmp && chmod 1777 /tmp\nENV PATH=/bin\nCMD [\"/bin/sh\"]\n"),
		Context:    docker.Source{FS: files},
		Refs:       []string{Ref(t, ref)},
	})
	if err != nil {
		t.Fatalf("busybox image: %v", err)
	}
	Cleanup(t, e, ref)
}

// Ref spells a reference in full.
func Ref(t testing.TB, ref string) string {
	t.Helper()
	full, err := docker.NormalRef(ref)
	if err != nil {
		t.Fatal(err)
	}
	return full
}

// Files is a folder in memory, a build context for tests: slash path to file.
type Files map[string]File

// File is one file of it.
type File struct {
	Data    []byte
	Mode    fs.FileMode // 0: 0644
	ModTime time.Time   // zero: derived from Data, since the engine takes equal size and time for equal content
}

func (f File) modTime() int64 {
	if !f.ModTime.IsZero() {
		return f.ModTime.UnixNano()
	}
	h := fnv.New64a()
	_, _ = h.Write(f.Data) // a hash takes everything
	return int64(h.Sum64() >> 4)
}

// Walk gives the files and their folders in the order of fsutil.
func (f Files) Walk(_ context.Context, target string, fn fs.WalkDirFunc) error {
	stats := map[string]*fstypes.Stat{}
	for name, file := range f {
		mode := file.Mode
		if mode == 0 {
			mode = 0o644
		}
		stats[name] = &fstypes.Stat{Path: name, Mode: uint32(mode), Size: int64(len(file.Data)), ModTime: file.modTime()}
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			stats[dir] = &fstypes.Stat{Path: dir, Mode: uint32(fs.ModeDir | 0o755)}
		}
	}
	byPart := func(a, b string) int { // a folder comes right before what is in it
		return bytes.Compare(bytes.ReplaceAll([]byte(a), []byte("/"), []byte{0}), bytes.ReplaceAll([]byte(b), []byte("/"), []byte{0}))
	}
	skipped := ""
	for _, name := range slices.SortedFunc(maps.Keys(stats), byPart) {
		if skipped != "" && under(name, skipped) {
			continue
		}
		if target != "" && target != "." && target != "/" && name != target && !under(name, target) {
			continue
		}
		err := fn(name, &fsutil.DirEntryInfo{Stat: stats[name]}, nil)
		if err == fs.SkipDir {
			skipped = name
		} else if err != nil {
			return err
		}
	}
	return nil
}

func under(name, dir string) bool { return len(name) > len(dir) && name[:len(dir)+1] == dir+"/" }

// Open gives a file's content.
func (f Files) Open(name string) (io.ReadCloser, error) {
	file, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(bytes.NewReader(file.Data)), nil
}
