//go:build unix

package safefile

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.WriteFile(at("file"), []byte("secret text"), 0o644))
	must(t, os.WriteFile(at("empty"), nil, 0o644))
	must(t, os.Symlink("file", at("link")))
	must(t, os.Mkdir(at("folder"), 0o755))
	must(t, syscall.Mkfifo(at("fifo"), 0o644))
	must(t, os.Symlink("fifo", at("to-fifo")))
	must(t, os.Symlink("/dev/zero", at("to-zero")))
	must(t, os.Symlink("nowhere", at("dangling")))
	must(t, os.WriteFile(at("sparse"), nil, 0o644))
	must(t, os.Truncate(at("sparse"), 1<<40))
	l, err := net.Listen("unix", at("socket"))
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })

	for name, want := range map[string]string{"file": "secret text", "link": "secret text", "empty": ""} {
		if got, err := Read(at(name), 11); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, want := range map[string]string{
		"folder": "it is a folder", "fifo": "it is a FIFO, not a file", "to-fifo": "it is a FIFO, not a file",
		"to-zero": "it is a device, not a file", "socket": "it is a socket, not a file", "sparse": "it is larger than 16 MiB",
	} {
		_, err := Read(at(name), Text)
		if !errors.Is(err, fs.ErrInvalid) || !strings.HasSuffix(err.Error(), want) || !strings.Contains(err.Error(), at(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"dangling", "none", "file/below"} {
		if _, err := Read(at(name), Text); err == nil || errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read(at("file"), 10); !errors.Is(err, fs.ErrInvalid) || strings.Contains(err.Error(), "secret") {
		t.Errorf("one byte too many: %v", err)
	}
}

// TestReadOfNoSize: the files of /proc have no size, and a text.
func TestReadOfNoSize(t *testing.T) {
	const name = "/proc/self/mounts"
	want, err := os.ReadFile(name)
	if err != nil {
		t.Skip("no /proc here")
	}
	if got, err := Read(name, Text); err != nil || string(got) != string(want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
	if _, err := Read(name, 10); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("it is longer than allowed: %v", err)
	}
}

func TestModes(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077, 0o777} {
		dir := filepath.Join(t.TempDir(), "state")
		must(t, os.Mkdir(dir, 0o755)) // as an older version made it
		old := syscall.Umask(umask)
		err := errors.Join(Write(filepath.Join(dir, "new"), []byte("text")), Write(filepath.Join(dir, "new"), []byte("shorter")))
		syscall.Umask(old)
		must(t, err)
		for name, want := range map[string]fs.FileMode{"": FolderMode, "new": FileMode} {
			fi, err := os.Stat(filepath.Join(dir, name))
			must(t, err)
			if fi.Mode().Perm() != want {
				t.Errorf("umask %o: %q has %o", umask, name, fi.Mode().Perm())
			}
		}
		must(t, os.Chmod(filepath.Join(dir, "new"), 0o644))
		must(t, Write(filepath.Join(dir, "new"), []byte("again")))
		fi, err := os.Stat(filepath.Join(dir, "new"))
		must(t, err)
		if fi.Mode().Perm() != FileMode {
			t.Errorf("an older file has %o", fi.Mode().Perm())
		}
	}
}

// TestTempDir: what a killed process left is taken away, what a living one uses is not.
func TestTempDir(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	killed := exec.Command("true")
	must(t, killed.Run())
	left := filepath.Join(tmp, fmt.Sprintf("rebuild-%d-1", killed.Process.Pid))
	others := filepath.Join(tmp, "rebuild-x-1")
	for _, dir := range []string{left, others} {
		must(t, os.MkdirAll(filepath.Join(dir, "below"), 0o755))
	}
	first, err := TempDir()
	must(t, err)
	second, err := TempDir()
	must(t, err)
	for dir, there := range map[string]bool{left: false, others: true, first: true, second: true} {
		if _, err := os.Stat(dir); (err == nil) != there {
			t.Errorf("%s: %v", dir, err)
		}
	}
	must(t, os.WriteFile(filepath.Join(second, "file"), nil, 0o600))
	RemoveTemps()
	for dir, there := range map[string]bool{others: true, first: false, second: false} {
		if _, err := os.Stat(dir); (err == nil) != there {
			t.Errorf("at the end of the process, %s: %v", dir, err)
		}
	}
}
