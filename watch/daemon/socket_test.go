package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"rebuild/docker"
)

// stepLog is one of a build that executes a step.
func stepLog(name string) *docker.StepLog {
	at := time.Now()
	l := docker.NewStepLog()
	l.Write(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: digest.FromString(name), Name: name, Started: &at}}})
	return l
}

func serveOne(l net.Listener, h http.Handler) { _ = http.Serve(l, h) } // the test closes l

// A client and a server find each other by the socket, which only its user may open.
func TestSocket(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("who may open a socket is another matter there")
	}
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	path, err := SocketPath("/some/state")
	if err != nil || filepath.Dir(path) != filepath.Join(dir, "rebuild") {
		t.Fatal(path, err)
	}
	var none *NotRunning
	if _, err := NewClient(path, "/r").Status(t.Context()); !errors.As(err, &none) || none.Root != "/r" || err.Error() != "no daemon watches /r" {
		t.Errorf("without a daemon: %v", err)
	}
	for range 2 { // the second finds the socket of a daemon that was killed
		l, err := Listen(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		l.Close()
	}
	if _, err := NewClient(path, "/r").Status(t.Context()); !errors.As(err, &none) {
		t.Errorf("with a daemon that was killed: %v", err)
	}
	for name, want := range map[string]os.FileMode{path: 0o600 | os.ModeSocket, filepath.Dir(path): 0o700 | os.ModeDir} {
		if fi, err := os.Lstat(name); err != nil || fi.Mode() != want {
			t.Errorf("%s: %v %v, want %v", name, fi.Mode(), err, want)
		}
	}
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	var open *OpenFolder
	if _, err := Listen(t.Context(), path); !errors.As(err, &open) || open.Dir != filepath.Dir(path) {
		t.Errorf("in a folder of others: %v", err)
	}
	if _, err := Listen(t.Context(), filepath.Join(dir, "file", "x", "s.sock")); err != nil {
		t.Errorf("in a folder that there is not: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plain"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), filepath.Join(dir, "plain", "s.sock")); err == nil {
		t.Error("in a file")
	}
	if _, err := Listen(t.Context(), filepath.Join(dir, "own", strings.Repeat("x", 200))); err == nil {
		t.Error("with a path that is too long")
	}
}

// Without a folder of the user's own, the socket lies in one below that for temporary
// files, where another user may have been first.
func TestSocketAmongOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("that folder is each user's own there")
	}
	tmp := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("TMPDIR", tmp)
	path, err := SocketPath("/some/state")
	if err != nil || filepath.Dir(filepath.Dir(path)) != tmp {
		t.Fatal(path, err)
	}
	other, err := SocketPath("/another/state")
	if err != nil || other == path {
		t.Errorf("%s for two states, %v", path, err)
	}
	if err := os.Mkdir(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	var open *OpenFolder
	if _, err := SocketPath("/some/state"); !errors.As(err, &open) {
		t.Errorf("%v", err)
	}
}

// A client hears of a daemon that watches another worktree, that ends before it
// answers, and that is of another version.
func TestClientErrors(t *testing.T) {
	ask := func(h http.HandlerFunc) error {
		l := newPipeListener()
		defer l.Close()
		go serveOne(l, h)
		_, err := newClient("/r", l.dial).Wait(t.Context())
		return err
	}
	s := &server{root: "/other"}
	var elsewhere *Elsewhere
	if err := ask(s.handler().ServeHTTP); !errors.As(err, &elsewhere) || elsewhere.Watched != "/other" || !strings.HasSuffix(err.Error(), "watches /other") {
		t.Errorf("%v", err)
	}
	if err := ask(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }); !errors.Is(err, ErrEnded) {
		t.Errorf("%v", err)
	}
	if err := ask(func(http.ResponseWriter, *http.Request) {}); !errors.Is(err, ErrEnded) {
		t.Errorf("%v", err)
	}
	if err := ask(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }); err == nil {
		t.Error("no error")
	}
	old := func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string][]string{"failed": {"app"}})
	}
	if err := ask(old); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newClient("/r", newPipeListener().dial).Pause(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
