package session

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// With this variable the test binary takes the lock that it names, says so, and
// keeps it until its standard input ends.
const holdLock = "REBUILD_TEST_HOLD_LOCK"

func TestMain(m *testing.M) {
	path := os.Getenv(holdLock)
	if path == "" {
		os.Exit(m.Run())
	}
	release, err := Lock(context.Background(), path, false, nil)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := release(); err != nil {
		os.Exit(1)
	}
}

// holder is another process that has the lock.
type holder struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

func hold(t *testing.T, path string) *holder {
	t.Helper()
	h := &holder{cmd: exec.Command(os.Args[0], "-one", "-two")}
	h.cmd.Env = append(os.Environ(), holdLock+"="+path)
	var err error
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.cmd.Process.Kill(); _ = h.cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the other process: %q %v", line, err)
	}
	return h
}

func TestLockSaysWhoHoldsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "lock")
	h := hold(t, path)
	_, err := Lock(t.Context(), path, false, nil)
	var locked *Locked
	if !errors.As(err, &locked) || locked.Holder.PID != h.cmd.Process.Pid || locked.Holder.Started.IsZero() ||
		locked.Holder.Command != filepath.Base(os.Args[0])+" -one -two" {
		t.Errorf("error %T %v", err, err)
	}
}

func TestLockIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	h := hold(t, path)
	told := 0
	release, err := Lock(t.Context(), path, true, func(who Holder) {
		told++
		if who.PID != h.cmd.Process.Pid {
			t.Errorf("holder %v", who)
		}
		_ = h.stdin.Close() // now it lets go
	})
	if err != nil || told != 1 {
		t.Fatalf("told %d times, %v", told, err)
	}
	if _, err := Lock(t.Context(), path, false, nil); !errors.As(err, new(*Locked)) {
		t.Errorf("within one process: %v", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	release, err = Lock(t.Context(), path, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

func TestKilledHolderLeavesNoLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	h := hold(t, path)
	release, err := Lock(t.Context(), path, true, func(Holder) { _ = h.cmd.Process.Kill() })
	if err != nil {
		t.Fatal(err)
	}
	if got := readHolder(path); got.PID != os.Getpid() {
		t.Errorf("holder %v", got)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

func TestLockWaitEndsWithContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	hold(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Lock(ctx, path, true, func(Holder) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
