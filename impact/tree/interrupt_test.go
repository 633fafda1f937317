//go:build unix

package tree

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// promptly is how long what is interrupted may take: a plan has a second, and the
// machine that tests it may be busy.
const promptly = 5 * time.Second

// hangingFilter sets up a filter that never ends, and gives what waits until one runs
// and tells its process.
func hangingFilter(t *testing.T, r repo, kind string) (started func() int) {
	t.Helper()
	note := filepath.Join(t.TempDir(), "pid")
	r.git("config", "filter.x."+kind, fmt.Sprintf("echo $$ > %s.new && mv %s.new %s && sleep 1000", note, note, note))
	return func() int {
		t.Helper()
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if text, err := os.ReadFile(note); err == nil {
				pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
				must(t, err)
				return pid
			}
		}
		t.Fatal("the filter was not started")
		return 0
	}
}

// waitGone fails when a process of a session of ours is left.
func waitGone(t *testing.T, session int) {
	t.Helper()
	for end := time.Now().Add(promptly); running(t, session); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("a process of session %d is left", session)
		}
	}
}

// running tells whether some process of a group runs. One that has ended and is still
// to be waited for does not: some containers have no init that would.
func running(t *testing.T, group int) bool {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	must(t, err)
	if len(stats) == 0 {
		return syscall.Kill(-group, 0) == nil
	}
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue
		}
		// "PID (NAME) STATE PARENT GROUP ..." (proc_pid_stat(5))
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if fields[0] != "Z" && fields[2] == strconv.Itoa(group) {
			return true
		}
	}
	return false
}

// TestInterrupted ends the context of what waits for a filter of the repository's: it
// gives up at once, with the context's error, and leaves no process.
func TestInterrupted(t *testing.T) {
	clean := func(path string) func(*testing.T, context.Context, repo) error {
		return func(t *testing.T, ctx context.Context, r repo) error {
			r.write(map[string]string{path: "changed"})
			_, err := r.worktree(Git).Read(ctx, all("/"))
			return err
		}
	}
	smudged := func(t *testing.T, r repo) Tree { return r.at("HEAD", Bytes) }
	for name, tt := range map[string]struct {
		filter string
		do     func(*testing.T, context.Context, repo) error
	}{
		"hash-object":                    {"clean", clean("a.x")},
		"hash-object of an unusual name": {"clean", clean(`b".x`)},
		"cat-file": {"smudge", func(t *testing.T, ctx context.Context, r repo) error {
			_, err := smudged(t, r).Read(ctx, all("/"))
			return err
		}},
		"cat-file of an unusual name": {"smudge", func(t *testing.T, ctx context.Context, r repo) error {
			_, err := smudged(t, r).ReadFile(ctx, "c\n.x")
			return err
		}},
		"a build context": {"smudge", func(t *testing.T, ctx context.Context, r repo) error {
			files, err := smudged(t, r).Context(ctx, ".")
			must(t, err)
			_, err = files.Open("a.x")
			return err
		}},
		"a large file": {"smudge", func(t *testing.T, ctx context.Context, r repo) error {
			src := smudged(t, r).(*CommitTree).files
			e, err := lookup(ctx, src, "a.x")
			must(t, err)
			file, err := src.stream(ctx, e)
			must(t, err)
			defer file.Close()
			_, err = io.ReadAll(file)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t).write(map[string]string{"a.x": "a", `b".x`: "b", "c\n.x": "c", ".gitattributes": "*.x filter=x\n"})
			r.commit("one")
			started := hangingFilter(t, r, tt.filter)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- tt.do(t, ctx, r) }()
			group, err := syscall.Getpgid(started())
			must(t, err)
			cancel()
			at := time.Now()
			select {
			case err := <-done:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("the error is %v", err)
				}
				t.Logf("it took %s", time.Since(at))
			case <-time.After(promptly):
				_ = syscall.Kill(-group, syscall.SIGKILL)
				t.Fatal("it goes on")
			}
			waitGone(t, group)
		})
	}
}

// TestAskInTurn: who waits for its turn at a command gives up on its own, and the one
// that is at it is not disturbed.
func TestAskInTurn(t *testing.T) {
	r := newRepo(t).write(map[string]string{"a": "a"})
	r.commit("one")
	p := r.open().children.pipe(r.open().git, "cat-file", "--batch-check")
	answered := func(*bufio.Reader) error { return nil }
	holds, release := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- p.ask(t.Context(), []byte("HEAD\n"), func(b *bufio.Reader) error {
			close(holds)
			<-release
			_, err := b.ReadString('\n')
			return err
		})
	}()
	<-holds
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() { second <- p.ask(ctx, []byte("HEAD\n"), answered) }()
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("the second one's error is %v", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Errorf("the first one's error is %v", err)
	}
	if err := p.ask(ctx, []byte("HEAD\n"), answered); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end the error is %v", err)
	}
}

// TestCloseHanging: a command that does not end with its input does not keep a
// repository open.
func TestCloseHanging(t *testing.T) {
	repo := newRepo(t).open()
	p := repo.children.pipe(repo.git, "-c", "alias.hang=!cat; sleep 1000", "hang")
	must(t, p.ask(t.Context(), []byte("x\n"), func(r *bufio.Reader) error {
		_, err := r.ReadString('\n')
		return err
	}))
	pid := p.cmd.Process.Pid
	at := time.Now()
	must(t, repo.Close())
	if took := time.Since(at); took > promptly {
		t.Errorf("it took %s", took)
	}
	waitGone(t, pid)
}
