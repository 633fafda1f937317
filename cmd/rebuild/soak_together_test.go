//go:build linux

package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"rebuild/cmd/rebuild/session"
	"rebuild/docker/audit"
	"rebuild/docker/record"
	"rebuild/watch/daemon"
)

var togetherRounds = flag.Int("together.rounds", 2, "rounds of a daemon, two runs and a push's check at once (see -soak.seed)")

// settleRounds is how many rounds pass between two builds of everything.
const settleRounds = 10

// TestTogether has the daemon, two runs and the check of a push work on one repository at
// once, after each edit, and kills some of them. In the end nothing may be stale, built
// twice for nothing, or locked.
func TestTogether(t *testing.T) {
	seed := *soakSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1_000_000_000
	}
	t.Logf("go test ./cmd/rebuild -run TestTogether -soak.seed %d -together.rounds %d", seed, *togetherRounds)
	s := newSoak(t, seed)
	for s.become(t, asGitHas(s.now)); !s.daemon.wait(t); s.become(t, asGitHas(s.now)) {
		seed++ // of this one a commit does not hold what it needs, so that nothing would ever be built
		t.Logf("seed %d instead", seed)
		s = newSoak(t, seed)
	}
	s.good = s.now
	built, killed, quiet := 0, 0, 0
	for round := range *togetherRounds {
		n, b := s.together(t)
		built, killed = built+b, killed+n
		if n == 0 {
			quiet++
		}
		if (round+1)%settleRounds == 0 || round+1 == *togetherRounds {
			s.settle(t)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	s.finish(t)
	if *togetherRounds >= 50 && built == 0 {
		t.Errorf("nothing was built in %d rounds", *togetherRounds)
	}
	t.Logf("%d rounds, %d of them without a kill; %d images built, %d processes killed, settled %d times, %d images held against a build of everything\n%s",
		*togetherRounds, quiet, built, killed, s.settled, s.judged, s.tally())
}

// contender is one of several processes at work.
type contender struct {
	name  string
	cmd   *exec.Cmd
	out   *bytes.Buffer
	ended chan error
	kill  bool
}

// together is one round. It gives how many processes it killed, and how many images were
// built.
func (s *soak) together(t *testing.T) (killed, built int) {
	t.Helper()
	s.daemon.signal(t, syscall.SIGSTOP) // it sees all edits at once, or what it builds depends on the moment
	if s.now != s.good {                // a repository that builds has more to tell
		s.become(t, s.good.clone())
	}
	for range 1 + s.r.IntN(3) {
		s.edit(t)
	}
	s.become(t, asGitHas(s.now))
	s.git(t, "add", "-A")
	s.git(t, "commit", "-q", "--allow-empty", "-m", fmt.Sprint(s.edits))
	before := s.audits(t)
	most, buildable := s.toBuild(t)
	kills := s.r.IntN(2) == 0
	daemonDies := kills && s.r.IntN(4) == 0
	contenders := []*contender{
		s.contend(t, "run", "", "--progress", "plain", "-v", "--all"),
		s.contend(t, "another run", "", "--progress", "plain", "-v", "--all", "-j", "1"),
		s.contend(t, "hook", s.pushed(t), "hook", "run", "pre-push", "origin", "file:///nowhere"),
	}
	s.daemon.signal(t, syscall.SIGCONT)
	for _, c := range contenders {
		c.kill = kills && s.r.IntN(2) == 0
	}
	sig := pick(s.r, []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT})
	moment := time.After(time.Duration(s.r.IntN(2000)) * time.Millisecond)
	if kills {
		<-moment
		for _, c := range contenders {
			if c.kill {
				_ = c.cmd.Process.Signal(sig) // it may have ended
				killed++
			}
		}
		if daemonDies {
			killed++
			s.did("kill", "the daemon")
			s.daemon.kill(t)
			s.daemon = startSoakDaemon(t, s)
		}
	}
	for _, c := range contenders {
		s.ends(t, c, sig)
	}
	all := s.daemon.wait(t)
	st := s.daemon.rest(t)
	for _, a := range s.audits(t)[len(before):] {
		built += a.Images.Built
	}
	s.did("together", "%d killed (%v), the daemon too: %v; %d images to build, %d built, all up to date: %v", killed, sig, daemonDies, most, built, all)
	if killed == 0 && buildable && built > most {
		t.Errorf("%d images were to be built, and %d were", most, built)
		for _, c := range contenders {
			t.Logf("%s:\n%s", c.name, c.out)
		}
	}
	s.nothingLeft(t, st, all, contenders)
	return killed, built
}

// asGitHas is a repository of which a commit holds all that images read: else those that
// the check of a push tags are others than those of the working tree, and both are built
// in turn. Git knows one bit of modes, no empty folders, and not itself.
func asGitHas(s *sketch) *sketch {
	next := s.clone()
	if _, ok := next.files[".dockerignore"]; !ok {
		next.files[".dockerignore"] = sketchFile{mode: 0o644}
	}
	for name, f := range next.files {
		switch {
		case f.mode.IsDir():
			delete(next.files, name)
			continue
		case f.mode.IsRegular() && f.mode&0o100 != 0:
			f.mode = 0o755
		case f.mode.IsRegular():
			f.mode = 0o644
		}
		if strings.HasSuffix(name, ".dockerignore") && f.mode.IsRegular() && !strings.HasSuffix(f.data, "\n.git\n") {
			f.data += "\n.git\n"
		}
		next.files[name] = f
	}
	return next
}

// contend starts a program beside the daemon.
func (s *soak) contend(t *testing.T, name, stdin string, args ...string) *contender {
	t.Helper()
	c := &contender{name: name, cmd: s.rebuildCommand(args...), out: &bytes.Buffer{}, ended: make(chan error, 1)}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = strings.NewReader(stdin), c.out, c.out
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.cmd.WaitDelay = soakRest
	check(t, c.cmd.Start())
	go func() { c.ended <- c.cmd.Wait() }()
	return c
}

// ends waits for one of them. What could not be built is no fault of it.
func (s *soak) ends(t *testing.T, c *contender, sig syscall.Signal) {
	t.Helper()
	var err error
	select {
	case err = <-c.ended:
	case <-time.After(soakRest):
		_ = c.cmd.Process.Signal(syscall.SIGQUIT) // it prints its goroutines
		t.Fatalf("%s does not end: %v\n%s", c.name, <-c.ended, c.out)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v\n%s", c.name, err, c.out)
	}
	code := c.cmd.ProcessState.ExitCode()
	fine := code == exitOK || code == exitFailed || code == exitUsage
	if c.kill {
		fine = fine || code == exitInterrupted || code == -1 // before it could take the signal
	}
	if !fine || neverPrinted.MatchString(c.out.String()) {
		t.Errorf("%s (killed: %v, %v): exit code %d\n%s", c.name, c.kill, sig, code, c.out)
	}
}

// pushed is what git's hook is given of a push of the newest commit.
func (s *soak) pushed(t *testing.T) string {
	t.Helper()
	rev := func(of string) string {
		out, err := exec.Command("git", "-C", s.checkout.dir, "rev-parse", of).Output()
		check(t, err)
		return strings.TrimSpace(string(out))
	}
	return "refs/heads/main " + rev("HEAD") + " refs/heads/main " + rev("HEAD~1") + "\n"
}

// toBuild is how many images a plan would build, and whether it says that all can be.
func (s *soak) toBuild(t *testing.T) (most int, buildable bool) {
	t.Helper()
	ctx := t.Context()
	sess, err := session.Open(ctx, session.Place{Dir: s.checkout.dir}, session.Asked, session.Options{})
	if err != nil {
		return 0, false
	}
	defer sess.Close()
	p, err := sess.PlanOnline(ctx, session.Query{All: true, Slots: 4})
	if err != nil {
		return 0, false
	}
	buildable = true
	for _, im := range p.Plan.Images {
		buildable = buildable && im.Err == nil
	}
	return len(p.Plan.Rebuilds()), buildable
}

func (s *soak) audits(t *testing.T) []audit.Audit {
	t.Helper()
	id, err := s.engine.ID(t.Context())
	check(t, err)
	audits, warning, err := audit.OpenLog(record.Open(filepath.Join(s.daemon.state, "records"), id).AuditFile()).Read()
	if err != nil || warning != "" {
		t.Fatalf("audit: %v %s", err, warning)
	}
	return audits
}

// nothingLeft fails when something is locked, stale, or left by a check of a push that
// nobody killed.
func (s *soak) nothingLeft(t *testing.T, st daemon.Status, all bool, contenders []*contender) {
	t.Helper()
	lock := flock.New(filepath.Join(s.daemon.state, "lock"))
	if got, err := lock.TryLock(); !got {
		t.Errorf("the lock is still held: %v", err)
	}
	check(t, lock.Close())
	if hook := contenders[2]; !hook.kill {
		images, err := s.engine.Images(t.Context())
		check(t, err)
		for _, ref := range images.Refs() {
			if strings.HasPrefix(ref, session.IsolatedPrefix(s.daemon.state)) {
				t.Errorf("%s is left of the check\n%s", ref, hook.out)
			}
		}
	}
	if !all {
		return
	}
	out, err := s.rebuildCommand("--progress", "plain", "--all").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "nothing to rebuild") {
		t.Errorf("the daemon says %q, and a run: %v\n%s", st.State, err, out)
	}
	s.good = s.now
}
