package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"rebuild/cmd/rebuild/terminal/screentest"
	"rebuild/docker/enginetest"
)

// onPty starts the program in a terminal of the system's. What it draws comes to the screen
// until it ends, with the exit code that ended gives.
func onPty(t *testing.T, dir string, width int, args ...string) (keys io.Writer, s *screentest.Screen, ended func() int) {
	t.Helper()
	cmd := exec.Command("rebuild", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TERM=xterm", "BUILDKIT_PROGRESS=")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: uint16(width)})
	if err != nil {
		t.Fatal(err)
	}
	s = screentest.New(t, width, 40)
	drawn := make(chan error, 1)
	go func() {
		_, err := io.Copy(s, tty)
		drawn <- err
	}()
	return tty, s, func() int {
		t.Helper()
		if err := <-drawn; err != nil && !errors.Is(err, syscall.EIO) { // with which Linux ends it
			t.Error(err)
		}
		_ = cmd.Wait() // the exit code says it
		_ = tty.Close()
		return cmd.ProcessState.ExitCode()
	}
}

// The width is the terminal's.
func TestPtyWidth(t *testing.T) {
	screenRepo(t)
	for width, want := range map[int]bool{80: false, 200: true} {
		_, s, ended := onPty(t, ".", width, "list")
		if code := ended(); code != exitOK {
			t.Errorf("exit %d", code)
		}
		if got := s.Text(); !strings.HasPrefix(got, "IMAGE ") || strings.Contains(got, "CONTEXT") != want {
			t.Errorf("%d columns show\n%s", width, got)
		}
	}
}

// A run shows what goes on, and Ctrl-C ends it with one line.
func TestPtyRun(t *testing.T) {
	e := enginetest.Connect(t)
	base := fmt.Sprintf("rebuild-story/os:%x", rand.Uint64())
	enginetest.Busybox(t, e, base)
	prefix := fmt.Sprintf("rebuild-story-%x", rand.Uint64())
	t.Cleanup(func() { removeTags(t, e, prefix) })
	dir := t.TempDir()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	for name, text := range map[string]string{
		"rebuild.yaml":     fmt.Sprintf("images:\n  quick: {dockerfile: quick.Dockerfile, tags: [%[1]s/quick]}\n  slow: {dockerfile: slow.Dockerfile, tags: [%[1]s/slow]}\n", prefix),
		"quick.Dockerfile": "FROM scratch\nCOPY rebuild.yaml /\n",
		"slow.Dockerfile":  fmt.Sprintf("FROM %s/quick\nCOPY --from=%s / /\nRUN echo %s; sleep 600\n", prefix, base, prefix),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	keys, s, ended := onPty(t, dir, 80)
	const line = "slow.Dockerfile:3 RUN echo"
	for deadline := time.Now().Add(time.Minute); !strings.Contains(s.Text(), line); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the screen shows\n%s", s.Text())
		}
	}
	if got := s.Text(); !strings.Contains(got, "\n  1 of 2, in phase 2\n") {
		t.Errorf("the screen shows\n%s", got)
	}
	if _, err := keys.Write([]byte{3}); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	if code := ended(); code != exitInterrupted {
		t.Errorf("exit %d", code)
	}
	got := s.Text()
	if !strings.HasSuffix(got, "\nrebuild: interrupted: 1 finished (quick), 1 not finished (slow)\n") || strings.Contains(got, line) {
		t.Errorf("at the end the screen shows\n%s", got)
	}
}
