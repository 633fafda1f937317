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
	waitForScreen(t, s, line)
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

// waitForScreen waits until the screen shows a text.
func waitForScreen(t *testing.T, s *screentest.Screen, text string) {
	t.Helper()
	if !s.Shows(text, time.Minute) {
		t.Fatalf("the screen shows\n%s", s.Text())
	}
}

// Whoever is asked for consent gives it by y or yes; all else is a no, and Ctrl-C ends the run.
func TestPtyConsent(t *testing.T) {
	e := enginetest.Connect(t)
	prefix := fmt.Sprintf("rebuild-story-%x", rand.Uint64())
	t.Cleanup(func() { removeTags(t, e, prefix) })
	outside := t.TempDir()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if err := os.WriteFile(filepath.Join(outside, "file"), []byte(prefix), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		keys string
		want int
		says string
	}{
		"yes":     {"y\n", exitOK, "app  built"},
		"in full": {"YES\n", exitOK, "app  built"},
		"no":      {"n\n", exitFailed, "takes what nobody allowed"},
		"nothing": {"\n", exitFailed, "takes what nobody allowed"},
		"garbage": {"\x1b[Ayes please \x00\xff\n", exitFailed, "takes what nobody allowed"},
		"the end": {"\x04", exitFailed, "takes what nobody allowed"}, // Ctrl-D
		"Ctrl-C":  {"\x03", exitInterrupted, "rebuild: interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{
				"rebuild.yaml": fmt.Sprintf("images:\n  app: {contexts: {home: %q}, tags: [%s/app]}\n", outside, prefix),
				"Dockerfile":   "FROM scratch\nCOPY --from=home file /\n",
			} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			keys, s, ended := onPty(t, dir, 200)
			waitForScreen(t, s, "[y/N]")
			if want := "app asks for fs.read=" + outside + " (rebuild.yaml)"; !strings.Contains(s.Text(), want) {
				t.Errorf("the screen shows\n%s", s.Text())
			}
			if _, err := io.WriteString(keys, c.keys); err != nil {
				t.Fatal(err)
			}
			if code := ended(); code != c.want {
				t.Errorf("exit %d, want %d", code, c.want)
			}
			if !strings.Contains(s.Text(), c.says) {
				t.Errorf("the screen shows\n%s", s.Text())
			}
			// What is allowed to one run is not noted.
			if left, _ := os.ReadDir(filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "rebuild")); len(left) > 0 {
				t.Errorf("%v is noted", left)
			}
		})
	}
}

// A file that takes long to read is told of, to whoever looks on.
func TestPtyLargeFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(dir, "no-engine.sock"))
	for file, text := range map[string]string{"rebuild.yaml": "images: {app: {tags: [app]}}\n", "Dockerfile": "FROM scratch\nCOPY big /\n", "big": ""} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(filepath.Join(dir, "big"), 8<<40); err != nil { // nobody waits for its end; ext4 takes no larger one than 16 TiB
		t.Fatal(err)
	}
	keys, s, ended := onPty(t, dir, 80, "plan")
	waitForScreen(t, s, "rebuild: reads big (8192.0 GiB) ...")
	if _, err := keys.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	if code := ended(); code != exitInterrupted {
		t.Errorf("exit %d", code)
	}
}
