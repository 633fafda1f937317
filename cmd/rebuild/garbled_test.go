//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	garbledSeed   = flag.Uint64("garbled.seed", 0, "seed of the first garbled run (0: a new one)")
	garbledRuns   = flag.Int("garbled.runs", 24, "runs of the program on garbled repositories")
	garbledBinary = flag.String("garbled.binary", "", "the program to run, whose time and memory are measured, too (default: this test, where they are not)")
	garbledKeep   = flag.String("garbled.keep", "", "folder in which repositories that show a fault are kept")
)

// What no run may exceed. A run that takes longer than garbledHangs is ended.
const (
	garbledTime   = 20 * time.Second
	garbledHangs  = 25 * time.Second
	garbledMemory = 512 << 10 // KiB
)

// TestGarbled runs the program at the command line on repositories of which something
// is garbled: definitions, Dockerfiles, ignore files, git's objects, index, refs and
// configuration, records of builds, the lines that a hook reads, answers of the engine. It
// must say what is wrong and end with an exit code of its own.
func TestGarbled(t *testing.T) {
	seed := *garbledSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1_000_000_000
	}
	bed := newGarbledBed(t)
	const workers = 4
	tally := &garbledTally{codes: map[string]int{}}
	t.Cleanup(func() { t.Logf("%s", tally) })
	for w := range workers {
		t.Run(fmt.Sprint(w), func(t *testing.T) {
			t.Parallel()
			g := &garbled{bed: bed, gate: newProxy(t, bed.engine.Host()), dir: t.TempDir(), tally: tally}
			for i := w; i < *garbledRuns; i += workers {
				g.run(t, seed+uint64(i))
				if *garbledBinary != "" && tally.done()%500 == 0 {
					fmt.Println(time.Now().Format("15:04:05"), tally.done(), "runs") // it takes hours
				}
			}
		})
	}
}

// garbled is a place for one run after another.
type garbled struct {
	bed   *garbledBed
	gate  *proxy // the program's way to the engine
	dir   string
	tally *garbledTally
}

// outcome is what one run came to.
type garbledOutcome struct {
	args           []string
	code           int // -1: a signal ended it
	stdout, stderr string
	took, cpu      time.Duration
	memory         int64 // KiB
	hung           bool
	left           []string // in the temporary folder
}

func (g *garbled) run(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	shape := pick(r, g.bed.shapes)
	repo := filepath.Join(g.dir, "repo")
	check(t, os.RemoveAll(repo))
	if out, err := exec.Command("cp", "-a", shape.dir, repo).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	m := &mutator{r: r, dir: repo}
	call := pick(r, garbledCalls)
	args := call.args(r, shape)
	stdin := ""
	if call.reads {
		if stdin = pick(r, shape.pushes); r.IntN(2) == 0 {
			stdin = string(m.text([]byte(stdin)))
			m.did = append(m.did, fmt.Sprintf("standard input %q", stdin))
		}
	}
	engine := call.engine && r.IntN(3) > 0
	if engine {
		g.gate.garble(newDamage(r, m))
	}
	for n := 1 + r.IntN(3); n > 0 && (!engine || r.IntN(3) == 0); n-- {
		m.mutate(t, garbledKinds)
	}
	o := g.start(t, repo, args, stdin)
	g.gate.garble(nil)
	g.tally.add(call.name, o)
	faults := o.faults(call)
	if len(faults) == 0 {
		return
	}
	kept := ""
	if *garbledKeep != "" {
		kept = filepath.Join(*garbledKeep, fmt.Sprint(seed))
		_ = os.RemoveAll(kept)
		if out, err := exec.Command("cp", "-a", repo, kept).CombinedOutput(); err != nil {
			kept = string(out)
		}
	}
	t.Errorf("%s\ngo test ./cmd/rebuild -run TestGarbled -garbled.runs 1 -garbled.seed %d\nrebuild %s, exit code %d after %s, %d KiB\nrepository %s, %s\n%s\nstdout:\n%.2000s\nstderr:\n%.8000s",
		strings.Join(faults, "; "), seed, strings.Join(o.args, " "), o.code, o.took.Round(time.Millisecond), o.memory, shape.name, kept, strings.Join(m.did, "\n"), o.stdout, o.stderr)
}

// start runs the program to its end.
func (g *garbled) start(t *testing.T, repo string, args []string, stdin string) *garbledOutcome {
	t.Helper()
	tmp := filepath.Join(g.dir, "tmp")
	check(t, os.RemoveAll(tmp))
	check(t, os.Mkdir(tmp, 0o700))
	program := *garbledBinary
	if program == "" {
		program = "rebuild"
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = repo
	cmd.Env = append(g.bed.env(g.dir), "TMPDIR="+tmp, "DOCKER_HOST=unix://"+g.gate.path)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	began := time.Now()
	check(t, cmd.Start())
	hangs := time.AfterFunc(garbledHangs, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) }) // it prints its goroutines
	err := cmd.Wait()
	o := &garbledOutcome{args: args, took: time.Since(began), hung: !hangs.Stop(), stdout: stdout.String(), stderr: stderr.String()}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatal(err)
	}
	o.code = cmd.ProcessState.ExitCode()
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	o.memory, o.cpu = usage.Maxrss, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	if errors.Is(err, exec.ErrWaitDelay) {
		o.left = append(o.left, "a process that holds its output")
	}
	left, err := os.ReadDir(tmp)
	check(t, err)
	for _, e := range left {
		o.left = append(o.left, e.Name())
	}
	return o
}

// neverPrinted is what only a fault of the program prints.
var neverPrinted = regexp.MustCompile(`panic:|\[recovered\]|(?m)^goroutine \d|runtime error|fatal error:|DATA RACE|%!\w?\(|<nil>`)

// stepOutput is a line of what a step of a build printed: any bytes.
var stepOutput = regexp.MustCompile(`(?m)^#\d+ \d+\.\d+ .*$`)

// ownVoice is a line of the story; what a build prints stands below its image's name.
var ownVoice = regexp.MustCompile(`^rebuild: `)

// faults are what is wrong with it.
func (o *garbledOutcome) faults(call garbledCall) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if o.hung {
		fault("it does not end")
	}
	if !slices.Contains([]int{exitOK, exitFailed, exitUsage, exitUnreachable}, o.code) {
		fault("exit code %d", o.code)
	}
	for _, out := range []string{o.stdout, o.stderr} {
		if never := neverPrinted.FindString(out); never != "" {
			fault("it prints %q", never)
		}
		for _, c := range stepOutput.ReplaceAllString(out, "") {
			if c < ' ' && c != '\n' && c != '\t' || c == 0x7f {
				fault("it prints the character %q", c)
				break
			}
		}
	}
	if o.code == exitUsage || o.code == exitUnreachable {
		if !strings.Contains("\n"+o.stderr, "\nrebuild: error: ") {
			fault("no error is printed")
		}
	}
	if o.code == exitFailed && !strings.Contains(o.stderr, "rebuild: ") && o.stdout == "" {
		fault("nothing says why")
	}
	for line := range strings.Lines(o.stderr) {
		if !call.others && !ownVoice.MatchString(line) {
			fault("another voice: %q", line)
			break
		}
	}
	if call.json && o.stdout != "" && !json.Valid([]byte(o.stdout)) {
		fault("it prints JSON that is none")
	}
	if len(o.left) > 0 {
		fault("it leaves %q", o.left)
	}
	if *garbledBinary != "" {
		if o.took > garbledTime {
			fault("it takes %s", o.took.Round(time.Millisecond))
		}
		if o.memory > garbledMemory {
			fault("it takes %d MiB", o.memory>>10)
		}
	}
	return faults
}

// garbledTally counts over all runs.
type garbledTally struct {
	mu    sync.Mutex // guards all below
	runs  int
	codes map[string]int // by command and exit code
	slow  *garbledOutcome
	large *garbledOutcome
	busy  *garbledOutcome
}

func (y *garbledTally) add(name string, o *garbledOutcome) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.runs++
	y.codes[name+" "+strconv.Itoa(o.code)]++
	if y.slow == nil || o.took > y.slow.took {
		y.slow = o
	}
	if y.large == nil || o.memory > y.large.memory {
		y.large = o
	}
	if y.busy == nil || o.cpu > y.busy.cpu {
		y.busy = o
	}
}

func (y *garbledTally) done() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.runs
}

// String is what the runs came to.
func (y *garbledTally) String() string {
	if y.runs == 0 {
		return "no runs"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d runs; the longest %s (%s), the busiest %s (%s), the largest %d MiB (%s)\n", y.runs,
		y.slow.took.Round(time.Millisecond), strings.Join(y.slow.args, " "), y.busy.cpu.Round(time.Millisecond), strings.Join(y.busy.args, " "), y.large.memory>>10, strings.Join(y.large.args, " "))
	for _, key := range slices.Sorted(maps.Keys(y.codes)) {
		fmt.Fprintf(&b, "%6d %s\n", y.codes[key], key)
	}
	return b.String()
}
