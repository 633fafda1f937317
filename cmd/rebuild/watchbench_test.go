package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"rebuild/docker"
	"rebuild/docker/enginetest"
)

// BenchmarkSaveToBuild saves one script that one image of the example copies, beside
// 20,000 other files, and times from just before the write until it is known that a
// build begins: when the program's line that says so is read from its pipe. Ours is
// written once docker.Run.Observe tells of the build, that is when the image is handed
// to BuildKit's client. Between saves all comes to rest.
//
// The floor is an inotify watcher that does nothing; compose watches the one folder.
func BenchmarkSaveToBuild(b *testing.B) {
	e := enginetest.Connect(b)
	bin, dir := program(b), example(b, 20_000)
	ownTags(b, e, dir)
	command(b, dir, bin, "--progress", "quiet")
	script := filepath.Join(dir, "stages", "tmdb.sh")

	b.Run("fsnotify", func(b *testing.B) {
		w, err := fsnotify.NewWatcher()
		if err != nil {
			b.Fatal(err)
		}
		defer w.Close()
		if err := w.Add(filepath.Dir(script)); err != nil {
			b.Fatal(err)
		}
		saves(b, script, func(time.Time) time.Time {
			for event := range w.Events {
				if event.Name == script && event.Has(fsnotify.Write) {
					break
				}
			}
			return time.Now()
		}, func() {
			for len(w.Events) > 0 { // a write is two events
				<-w.Events
			}
		})
	})
	b.Run("rebuild", func(b *testing.B) {
		d := watchExample(b, bin, dir)
		saves(b, script, func(begun time.Time) time.Time { return d.see(begun, "tmdb-cpu is rebuilt") }, func() {
			d.see(time.Time{}, "tmdb-cpu was built")
			d.rest()
		})
	})
	b.Run("compose", func(b *testing.B) {
		version, err := exec.Command("docker-compose", "version", "--short").Output()
		if err != nil || strings.HasPrefix(string(version), "1.") {
			b.Skip("no docker-compose on the PATH that can watch")
		}
		c := watchWithCompose(b, e, dir)
		saves(b, script, func(begun time.Time) time.Time { return c.see(begun, "Rebuilding service") }, func() {
			c.see(time.Time{}, "successfully built")
		})
	})
}

// saves writes a file again and again, and reports how long it takes each time until
// known gives the time at which it is known of. rest waits until all is quiet again.
func saves(b *testing.B, path string, known func(begun time.Time) time.Time, rest func()) {
	b.Helper()
	var took []time.Duration
	for b.Loop() {
		begun := time.Now()
		if err := os.WriteFile(path, []byte(fmt.Sprintf("echo %d\n", begun.UnixNano())), 0o644); err != nil {
			b.Fatal(err)
		}
		took = append(took, known(begun).Sub(begun))
		rest()
	}
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(took[len(took)/2]), "ms-median")
	b.ReportMetric(ms(took[len(took)*95/100]), "ms-95th")
	b.ReportMetric(ms(took[len(took)-1]), "ms-most")
}

// exampleTag is a tag that the example's own images have.
var exampleTag = regexp.MustCompile(`\bspeech/(base|post-ner|\$\{stage\})`)

// ownTags gives the images of a copy of the example tags of its own: what else uses
// the engine would take the tags away from a daemon, which would build all again.
func ownTags(b *testing.B, e *docker.Engine, dir string) (prefix string) {
	b.Helper()
	prefix = fmt.Sprintf("rebuild-watch-%x", rand.Uint64())
	files, err := filepath.Glob(filepath.Join(dir, "docker", "*", "Dockerfile"))
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range append(files, filepath.Join(dir, "docker-bake.hcl"), filepath.Join(dir, "rebuild.yaml")) {
		text, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, exampleTag.ReplaceAll(text, []byte(prefix+"/$1")), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	git(b, dir, "-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "maintenance.auto=false", "-c", "gc.auto=0", "commit", "-qam", "tags")
	for _, im := range planOf(b, "-C", dir).Images {
		enginetest.Cleanup(b, e, im.Tags...)
	}
	return prefix
}

// child is a program that runs until the benchmark ends, whose lines are read with the
// time at which each came.
type child struct {
	b     *testing.B
	lines chan line
	said  bytes.Buffer // so far
}

type line struct {
	at   time.Time
	text string
}

// startChild starts a program and has it end, with an interrupt, when the benchmark
// does.
func startChild(b *testing.B, cmd *exec.Cmd) (*child, *os.Process) {
	b.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	_ = w.Close() // the child has it
	c := &child{b: b, lines: make(chan line, 10_000)}
	go func() {
		defer close(c.lines)
		for in := bufio.NewReader(r); ; {
			text, err := in.ReadString('\n')
			if err != nil && text == "" {
				return
			}
			select {
			case c.lines <- line{time.Now(), text}:
			default: // nobody reads any more
			}
		}
	}()
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // with whatever code
		_, _ = io.Copy(io.Discard, r)
		_ = r.Close()
	})
	return c, cmd.Process
}

// childDeadline ends a benchmark whose child does not say what it should.
const childDeadline = 2 * time.Minute

// see waits for a line with a text that came after since, and gives its time.
func (c *child) see(since time.Time, text string) time.Time {
	c.b.Helper()
	late := time.NewTimer(childDeadline)
	defer late.Stop()
	for {
		select {
		case l, ok := <-c.lines:
			if !ok {
				c.b.Fatalf("it ended before it said %q:\n%s", text, c.said.Bytes())
			}
			c.said.WriteString(l.text)
			if l.at.After(since) && strings.Contains(l.text, text) {
				return l.at
			}
		case <-late.C:
			c.b.Fatalf("it does not say %q:\n%s", text, c.said.Bytes())
		}
	}
}

// exampleDaemon is a daemon on a copy of the example.
type exampleDaemon struct {
	*child
	process  *os.Process
	bin, dir string
}

func watchExample(b *testing.B, bin, dir string) *exampleDaemon {
	b.Helper()
	cmd := exec.Command(bin, "watch")
	cmd.Dir = dir
	c, process := startChild(b, cmd)
	d := &exampleDaemon{c, process, bin, dir}
	d.see(time.Time{}, "watches ")
	d.rest()
	return d
}

// rest waits until the daemon has done all. The status is answered by its loop after
// what it does when it comes to rest.
func (d *exampleDaemon) rest() {
	d.b.Helper()
	command(d.b, d.dir, d.bin, "wait")
	command(d.b, d.dir, d.bin, "status")
}

// watchWithCompose has compose watch the folder of the example's scripts, for the
// image that copies one of them.
func watchWithCompose(b *testing.B, e *docker.Engine, dir string) *child {
	b.Helper()
	const compose = "docker-compose"
	project := b.TempDir()
	name := filepath.Base(project) + fmt.Sprintf("%x", rand.Uint64())
	base := planOf(b, "-C", dir).Images[0].Tags[0] // base-cpu's
	file := filepath.Join(project, "compose.yaml")
	text := fmt.Sprintf(`name: rebuild-%s
services:
  tmdb:
    image: rebuild-%[1]s/tmdb
    build: {context: %[2]q, dockerfile: docker/tmdb/Dockerfile, args: {BASE: %[3]q, BASE_TAG: cpu}}
    command: [sleep, "600"]
    init: true
    network_mode: none
    develop: {watch: [{action: rebuild, path: %[4]q}]}
`, name, dir, strings.TrimSuffix(base, ":cpu"), filepath.Join(dir, "stages"))
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	enginetest.Cleanup(b, e, "rebuild-"+name+"/tmdb")
	command(b, project, compose, "-f", file, "up", "-d", "--build")
	b.Cleanup(func() { command(b, project, compose, "-f", file, "down", "-t", "0") })
	cmd := exec.Command(compose, "-f", file, "--progress", "plain", "watch", "--no-up")
	cmd.Dir = project
	c, _ := startChild(b, cmd)
	c.see(time.Time{}, "Watch enabled")
	return c
}
