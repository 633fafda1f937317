//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rebuild/watch/daemon"
)

// soakStep is something that happens to the repository, the daemon or the engine.
type soakStep struct {
	kind   string
	weight int
	do     func(s *soak, t *testing.T)
}

var soakSteps = []soakStep{
	{"edit", 60, (*soak).edit},
	{"burst", 6, (*soak).burst},
	{"atomic save", 8, (*soak).saveAtomically},
	{"half typed", 8, (*soak).halfTyped},
	{"folder moved", 4, (*soak).moveFolder},
	{"commit", 5, (*soak).commit},
	{"branch", 4, (*soak).thereAndBack},
	{"stash", 4, (*soak).stash},
	{"rebase", 3, (*soak).rebase},
	{"merge", 3, (*soak).merge},
	{"pause", 3, (*soak).pause},
	{"rebuild", 4, (*soak).rebuildBeside},
	{"overflow", 2, (*soak).overflow},
	{"kill", 2, (*soak).killed},
	{"engine away", 2, (*soak).engineAway},
}

// step does one of them at random, then waits for something or for nothing.
func (s *soak) step(t *testing.T) {
	t.Helper()
	steps := soakSteps
	if s.tick != nil {
		steps = slices.DeleteFunc(slices.Clone(steps), func(st soakStep) bool { return st.kind == "kill" })
	}
	sum := 0
	for _, st := range steps {
		sum += st.weight
	}
	at := s.r.IntN(sum)
	for _, st := range steps {
		if at -= st.weight; at < 0 {
			st.do(s, t)
			break
		}
	}
	s.pace(t)
}

// pace waits until the daemon builds, works or rests, for a while or not at all, so
// that steps come at all moments of its work. It takes one random number, whatever the
// daemon does.
func (s *soak) pace(t *testing.T) {
	t.Helper()
	if s.tick != nil {
		<-s.tick
		return
	}
	look := func(most time.Duration, holds func(daemon.Status) bool) {
		comesTrue(most, func() bool { return holds(s.daemon.status(t)) })
	}
	switch s.r.IntN(12) {
	case 0, 1, 2:
		look(400*time.Millisecond, func(st daemon.Status) bool {
			return slices.ContainsFunc(st.Images, func(im daemon.ImageStatus) bool { return im.State == daemon.ImageBuilding })
		})
	case 3, 4:
		look(200*time.Millisecond, func(st daemon.Status) bool { return st.State == daemon.Working })
	case 5:
		look(2*time.Second, func(st daemon.Status) bool { return st.State != daemon.Working })
	}
}

// become makes the repository another one.
func (s *soak) become(t *testing.T, next *sketch) {
	t.Helper()
	s.now = next
	s.write(t)
	s.edits++
}

// changed is an edit that a disk can hold.
func (s *soak) changed() (next *sketch, kind string) {
	for {
		from := s.now
		// What edits delete must grow again.
		if g := (&generator{Rand: s.r, s: from.clone(), n: s.r.IntN(1_000_000)}); len(g.paths(regular)) < 6 {
			for range 6 {
				g.create()
			}
			from = g.s
		}
		if next, kind = change(s.r, from, edits); next.possible() {
			return next, kind
		}
	}
}

func (s *soak) edit(t *testing.T) {
	next, kind := s.changed()
	s.did("edit", "%s", kind)
	s.become(t, next)
}

// burst is many edits at once.
func (s *soak) burst(t *testing.T) {
	for range 2 + s.r.IntN(6) {
		s.edit(t)
	}
}

// saveAtomically writes a file beside another one and renames it over that, as editors
// do.
func (s *soak) saveAtomically(t *testing.T) {
	g := &generator{Rand: s.r, s: s.now.clone(), n: s.r.IntN(1_000_000)}
	name := pick(s.r, g.paths(regular))
	f := g.s.files[name]
	f.data = g.text().data
	g.s.files[name] = f
	s.did("atomic save", "%s", name)
	full := filepath.Join(s.checkout.dir, name)
	beside := filepath.Join(filepath.Dir(full), fmt.Sprintf(".%d.swp", s.r.IntN(1000)))
	check(t, os.WriteFile(beside, []byte(s.checkout.fill(f.data)), 0o644))
	check(t, os.Chmod(beside, f.mode.Perm()))
	check(t, os.Rename(beside, full))
	s.checkout.on[name] = f
	s.become(t, g.s)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// halfTyped saves a Dockerfile or the definition while a word of it is not yet there.
func (s *soak) halfTyped(t *testing.T) {
	all := s.now.all()
	definition, _ := s.now.definition()
	name := definition
	if s.r.IntN(2) == 0 {
		name = pick(s.r, s.now.images).dockerfile()
	}
	f, ok := all[name]
	if !ok {
		return
	}
	f.data = f.data[:s.r.IntN(len(f.data)+1)]
	s.did("half typed", "%s, %d bytes of it", name, len(f.data))
	check(t, os.WriteFile(filepath.Join(s.checkout.dir, name), []byte(s.checkout.fill(f.data)), 0o644))
	s.checkout.on[name] = f
	s.edits++
	s.pace(t)
	if s.r.IntN(4) > 0 { // else it stays so until something else is written
		s.write(t)
	}
}

// moveFolder renames a folder, and mostly back again.
func (s *soak) moveFolder(t *testing.T) {
	s.write(t) // what is half typed may be in it
	dir := pick(s.r, []string{"src", "lib", "svc", "conf", "src/sub", "shared", "docker"})
	to := fmt.Sprintf("%s-moved%d", dir, s.r.IntN(1000))
	back := s.r.IntN(4) > 0
	if fi, err := os.Lstat(filepath.Join(s.checkout.dir, dir)); err != nil || !fi.IsDir() {
		return
	}
	s.did("folder moved", "%s to %s, back: %v", dir, to, back)
	check(t, os.Rename(filepath.Join(s.checkout.dir, dir), filepath.Join(s.checkout.dir, to)))
	s.edits++
	if back {
		s.pace(t)
		check(t, os.Rename(filepath.Join(s.checkout.dir, to), filepath.Join(s.checkout.dir, dir)))
		return
	}
	s.readBack(t)
}

// pause has the daemon leave some edits alone for a while.
func (s *soak) pause(t *testing.T) {
	s.did("pause", "")
	check(t, s.daemon.client.Pause(t.Context()))
	for range s.r.IntN(4) {
		s.edit(t)
	}
	s.pace(t)
	if st := s.daemon.status(t); st.State != "paused" && st.State != "waiting for the engine" {
		t.Errorf("a paused daemon says %q", st.State)
	}
	s.did("resume", "")
	check(t, s.daemon.client.Resume(t.Context()))
}

// rebuildBeside starts a run beside the daemon. The one before ends first.
func (s *soak) rebuildBeside(t *testing.T) {
	s.besideEnds(t)
	s.did("rebuild", "")
	s.beside = s.rebuildCommand("--progress", "quiet", "-j", "2")
	out := &bytes.Buffer{}
	s.beside.Stdout, s.beside.Stderr = out, out
	check(t, s.beside.Start())
}

// besideEnds waits for the run beside the daemon. What it could not build, or that
// the definition was broken, or the engine away, is not its fault.
func (s *soak) besideEnds(t *testing.T) {
	t.Helper()
	if s.beside == nil {
		return
	}
	err := s.beside.Wait()
	var exit *exec.ExitError
	printed := s.beside.Stdout.(*bytes.Buffer).String()
	s.beside = nil
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil && (exit.ExitCode() < exitFailed || exit.ExitCode() > exitUnreachable) || strings.Contains(printed, "DATA RACE") || strings.Contains(printed, "panic:") {
		t.Fatalf("rebuild: %v\n%s", err, printed)
	}
}

// overflowing is more writes than the system's queue of events holds (16,384 by
// default); two files take turns, since equal events in a row are one.
const overflowing = 20_000

// overflow writes while the daemon stands still, more than it will hear of.
func (s *soak) overflow(t *testing.T) {
	s.did("overflow", "")
	s.daemon.signal(t, syscall.SIGSTOP)
	var files []*os.File
	for i := range 2 {
		f, err := os.Create(filepath.Join(s.checkout.dir, fmt.Sprintf("overflow%d", i)))
		check(t, err)
		files = append(files, f)
	}
	for i := range overflowing {
		_, err := files[i%2].WriteAt([]byte{'x'}, 0)
		check(t, err)
	}
	for range 1 + s.r.IntN(3) {
		s.edit(t)
	}
	for _, f := range files {
		check(t, errors.Join(f.Close(), os.Remove(f.Name())))
	}
	s.daemon.signal(t, syscall.SIGCONT)
}

// killed is the daemon without the time to clear up, and another one.
func (s *soak) killed(t *testing.T) {
	s.did("kill", "")
	s.daemon.kill(t)
	for range s.r.IntN(3) {
		s.edit(t)
	}
	s.daemon = startSoakDaemon(t, s)
}

// engineAway is an engine that cannot be reached for some edits.
func (s *soak) engineAway(t *testing.T) {
	s.did("engine away", "")
	s.gate.cut()
	for range 1 + s.r.IntN(3) {
		s.edit(t)
	}
	s.pace(t)
	s.gate.open(t)
	s.did("engine back", "")
}
