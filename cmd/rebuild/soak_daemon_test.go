//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"os/signal"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/watch/daemon"
)

const (
	soakTick = 5 * time.Millisecond // between two looks at what is waited for
	soakRest = 2 * time.Minute      // more than any wait for the daemon takes
)

// goroutinesFile names, in the environment, the file into which a program of this
// test binary writes its goroutines on SIGUSR1, and the profile of its heap into NAME.heap
// where that is there.
const goroutinesFile = "REBUILD_TEST_GOROUTINES"

func init() {
	path := os.Getenv(goroutinesFile)
	if path == "" {
		return
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			var b bytes.Buffer
			if heap, err := os.OpenFile(path+".heap", os.O_WRONLY, 0); err == nil { // it is asked for
				_ = pprof.Lookup("heap").WriteTo(heap, 0)
				_ = heap.Close()
			}
			if pprof.Lookup("goroutine").WriteTo(&b, 1) == nil && os.WriteFile(path+".new", b.Bytes(), 0o600) == nil {
				_ = os.Rename(path+".new", path) // who waits for it sees that it does not come
			}
		}
	}()
}

// soakDaemon is "rebuild watch" as a process of its own.
type soakDaemon struct {
	s      *soak
	cmd    *exec.Cmd
	err    *os.File // what it printed
	ended  chan error
	client *daemon.Client
	state  string // the folder of records
	socket string
}

// rebuildCommand is the program, run in the repository, with the engine behind the
// gate.
func (s *soak) rebuildCommand(args ...string) *exec.Cmd {
	cmd := exec.Command("rebuild", args...)
	cmd.Dir = s.checkout.dir
	cmd.Env = append(os.Environ(), "DOCKER_HOST=unix://"+s.gate.path)
	return cmd
}

// startSoakDaemon starts the daemon and waits until it answers.
func startSoakDaemon(t *testing.T, s *soak) *soakDaemon {
	t.Helper()
	d := &soakDaemon{s: s, cmd: s.rebuildCommand("watch", "-j", "4"), ended: make(chan error, 1)}
	// It must not outlive the test, whatever becomes of that.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if *soakWatch > 0 {
		limitWatches(d.cmd, *soakWatch)
	}
	at, err := find(t.Context(), terminal.New(io.Discard, io.Discard), session.Place{Dir: s.checkout.dir})
	if err != nil {
		t.Fatal(err)
	}
	d.state = at.State
	if d.client, err = newClient(at.State, at.Root); err != nil {
		t.Fatal(err)
	}
	if d.socket, err = daemon.SocketPath(at.State); err != nil {
		t.Fatal(err)
	}
	if d.err, err = os.CreateTemp(s.tmp, "watch.err"); err != nil {
		t.Fatal(err)
	}
	d.cmd.Stdout, d.cmd.Stderr = d.err, d.err
	d.cmd.Env = append(d.cmd.Env, goroutinesFile+"="+filepath.Join(s.tmp, "goroutines"))
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.ended <- d.cmd.Wait() }()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill() // mostly it has ended
		_ = d.err.Close()
	})
	if !comesTrue(soakRest, func() bool {
		st, err := d.client.Status(t.Context())
		return err == nil && st.PID == d.cmd.Process.Pid
	}) {
		t.Fatalf("the daemon does not answer\n%s", d.printed(t))
	}
	return d
}

// limitWatches has a program run in a user namespace of its own, which has so many inotify
// watches (user_namespaces(7), namespaces(7): /proc/sys/user).
func limitWatches(cmd *exec.Cmd, most int) {
	const limited = `echo "$0" > /proc/sys/user/max_inotify_watches && exec "$@"`
	cmd.Args = append([]string{"sh", "-c", limited, strconv.Itoa(most), cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
	cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
	cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
}

// comesTrue looks until something holds or the time is over.
func comesTrue(most time.Duration, holds func() bool) bool {
	tick := time.NewTicker(soakTick)
	defer tick.Stop()
	over := time.NewTimer(most)
	defer over.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-over.C:
			return holds()
		}
	}
	return true
}

// wait is "rebuild wait" without the start of a program; it tells whether everything is
// up to date.
func (d *soakDaemon) wait(t *testing.T) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soakRest)
	defer cancel()
	a, err := d.client.Wait(ctx)
	if err != nil || a.Rest != daemon.Rested && a.Rest != daemon.RestStuck {
		t.Fatalf("wait: %v %s\nstatus: %+v\n%s", err, a.Rest, d.status(t), d.goroutines(t))
	}
	return a.Rest == daemon.Rested && len(a.Images) == 0 && a.Error == ""
}

func (d *soakDaemon) status(t *testing.T) daemon.Status {
	t.Helper()
	st, err := d.client.Status(t.Context())
	if err != nil {
		t.Fatalf("status: %v\n%s", err, d.printed(t))
	}
	return st
}

// rest gives the status once the daemon does nothing. What a client's marker leaves
// behind makes it plan once more, without anything to build.
func (d *soakDaemon) rest(t *testing.T) (st daemon.Status) {
	t.Helper()
	if !comesTrue(soakRest, func() bool { st = d.status(t); return st.State != daemon.Working }) {
		t.Fatalf("the daemon does not come to rest: %+v", st)
	}
	return st
}

func (d *soakDaemon) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// kill ends the daemon as a lack of memory does.
func (d *soakDaemon) kill(t *testing.T) {
	t.Helper()
	d.signal(t, syscall.SIGKILL)
	<-d.ended
	d.sane(t)
}

// sane fails when the daemon, which may have ended, printed what it never should.
func (d *soakDaemon) sane(t *testing.T) {
	t.Helper()
	text := d.printed(t)
	for _, never := range []string{"DATA RACE", "panic:", "fatal error:"} {
		if at := strings.Index(text, never); at >= 0 {
			t.Fatalf("the daemon printed\n%s", text[at:min(len(text), at+8000)])
		}
	}
}

func (d *soakDaemon) printed(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(d.err.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (d *soakDaemon) lastLog() string {
	data, err := os.ReadFile(d.err.Name())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(data), "\n")
	return strings.Join(lines[max(0, len(lines)-120):], "\n")
}

// goroutines are those of the daemon, as the profile has them.
func (d *soakDaemon) goroutines(t *testing.T) string {
	t.Helper()
	path := filepath.Join(d.s.tmp, "goroutines")
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	d.signal(t, syscall.SIGUSR1)
	var data []byte
	if !comesTrue(soakRest, func() bool {
		var err error
		data, err = os.ReadFile(path)
		return err == nil
	}) {
		return "the daemon does not tell its goroutines"
	}
	return string(data)
}
