//go:build unix

package tree

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A command's answer is whole though a child of it holds the output open.
func TestAnswerOfOneThatLeavesAChild(t *testing.T) {
	a, err := newAnswer()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "sleep 100 & head -c 300000 /dev/zero; echo $! >&2")
	cmd.Stdout = a.to
	pid, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a.begin()
	line := make([]byte, 20)
	n, err := pid.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exec.Command("kill", strings.TrimSpace(string(line[:n]))).Run() })
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := a.end(); len(got) != 300000 {
		t.Errorf("%d bytes", len(got))
	}
}

// What was written before the command ended is no less part of its answer when nobody got to
// read it in time.
func TestAnswerReadLate(t *testing.T) {
	a, err := newAnswer()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.from.SetReadDeadline(time.Now()); err != nil { // the reader gives up at once
		t.Fatal(err)
	}
	held := a.to // as a child would
	t.Cleanup(func() { held.Close() })
	if _, err := held.WriteString("one\ntwo\n"); err != nil {
		t.Fatal(err)
	}
	if got := string(unread(a.from)); got != "one\ntwo\n" {
		t.Errorf("%q", got)
	}
	if got := unread(a.from); got != nil {
		t.Errorf("%q", got)
	}
}
