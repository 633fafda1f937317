package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rebuild/docker"
	"rebuild/docker/enginetest"
	"rebuild/impact"
)

// project is a repository of two images, quick and, on top of it, slow, whose
// step waits long enough for something to happen meanwhile.
type project struct {
	dir, prefix string
	engine      *docker.Engine
}

func newProject(t *testing.T) *project {
	t.Helper()
	e := enginetest.Connect(t)
	p := &project{dir: t.TempDir(), prefix: fmt.Sprintf("rebuild-trouble-%x", rand.Uint64()), engine: e}
	enginetest.Busybox(t, e, p.prefix+"/os")
	enginetest.Cleanup(t, e, p.prefix+"/slow", p.prefix+"/quick")
	p.write(t, "rebuild.yaml", "images:\n  quick: {dockerfile: quick.Dockerfile, tags: [$P/quick]}\n  slow: {dockerfile: slow.Dockerfile, tags: [$P/slow]}\n")
	p.write(t, "quick.Dockerfile", "FROM $P/os\nCOPY a /\n")
	p.write(t, "slow.Dockerfile", "FROM $P/quick\nRUN echo it begins $P && sleep 30\nCOPY b /\n")
	p.write(t, "a", "$P")
	p.write(t, "b", "$P")
	git(t, p.dir, "init", "-q")
	return p
}

func (p *project) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(strings.ReplaceAll(text, "$P", p.prefix)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// start runs rebuild beside the test. The channel gives its exit code.
func (p *project) start(ctx context.Context, out, errs io.Writer) <-chan int {
	done := make(chan int, 1)
	go func() { done <- execute(ctx, []string{"-C", p.dir, "--progress", "plain"}, out, errs) }()
	return done
}

// begins is a writer that tells when the slow step has begun.
type begins struct {
	mu    sync.Mutex
	text  bytes.Buffer // guarded by mu
	begun chan struct{}
}

func newBegins() *begins { return &begins{begun: make(chan struct{})} }

func (b *begins) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	had := b.has()
	b.text.Write(p)
	if !had && b.has() {
		close(b.begun)
	}
	return len(p), nil
}

// has looks for the output of the step, which stands on a line of its own with
// its time, not for the step's name.
func (b *begins) has() bool {
	for line := range strings.Lines(b.text.String()) {
		if strings.Contains(line, " it begins ") && !strings.Contains(line, "RUN ") {
			return true
		}
	}
	return false
}

func (b *begins) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestInterrupted(t *testing.T) {
	p := newProject(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, errs := &bytes.Buffer{}, newBegins()
	done := p.start(ctx, out, errs)
	<-errs.begun
	cancel()
	stopped := time.Now()
	if code := <-done; code != exitInterrupted {
		t.Errorf("exit %d", code)
	}
	t.Logf("stopped after %v", time.Since(stopped).Round(time.Millisecond))
	if want := "rebuild: interrupted: 1 finished (quick), 1 not finished (slow)"; !strings.Contains(errs.String(), want) {
		t.Errorf("%q is not in\n%s%s", want, out, errs)
	}
	p.kept(t, "quick")
}

// kept fails unless the image has a record that holds, so that a run need not
// build it again.
func (p *project) kept(t *testing.T, image string) {
	t.Helper()
	if im := planOf(t, "-C", p.dir).Image(image); im.Action != "keep" {
		t.Errorf("%s is to be built again: %+v", image, im.Reasons)
	}
}

func TestEngineGoesAway(t *testing.T) {
	p := newProject(t)
	proxy := newProxy(t, p.engine.Host())
	t.Setenv("DOCKER_HOST", "unix://"+proxy.path)
	errs := newBegins()
	done := p.start(t.Context(), io.Discard, errs)
	<-errs.begun
	proxy.cut()
	if code := <-done; code != exitUnreachable {
		t.Errorf("exit %d\n%s", code, errs)
	}
	if !strings.Contains(errs.String(), "rebuild: error: docker engine unix://"+proxy.path+" cannot be reached") {
		t.Errorf("it does not say so:\n%s", errs)
	}
	t.Setenv("DOCKER_HOST", p.engine.Host())
	p.kept(t, "quick")
}

func TestNoEngine(t *testing.T) {
	p := t.TempDir()
	if err := os.WriteFile(filepath.Join(p, "rebuild.yaml"), []byte("images:\n  a: {dockerfile: D}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(p, "none.sock"))
	t.Setenv("XDG_STATE_HOME", filepath.Join(p, "state"))
	var errs bytes.Buffer
	if code := execute(t.Context(), []string{"-C", p}, io.Discard, &errs); code != exitUnreachable {
		t.Errorf("exit %d\n%s", code, &errs)
	}
	for _, want := range []string{"rebuild: error: docker engine unix://", "rebuild: hint: "} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("%q is not in\n%s", want, &errs)
		}
	}
}

func TestEditedDuringTheBuild(t *testing.T) {
	p := newProject(t)
	p.write(t, "slow.Dockerfile", "FROM $P/quick\nRUN echo it begins $P && sleep 2\nCOPY b /\n")
	out, errs := &bytes.Buffer{}, newBegins()
	done := p.start(t.Context(), out, errs)
	<-errs.begun
	p.write(t, "b", "edited")
	if code := <-done; code != exitOK {
		t.Errorf("exit %d\n%s", code, errs)
	}
	if !strings.Contains(errs.String(), "files of slow were edited while it was built") {
		t.Errorf("it does not say so:\n%s", errs)
	}
	// Whichever of the two BuildKit saw, neither counts as built.
	for _, text := range []string{"edited", "$P"} {
		p.write(t, "b", text)
		if im := planOf(t, "-C", p.dir).Image("slow"); im.Action != "rebuild" {
			t.Errorf("with %q, slow is kept", text)
		}
	}
	p.kept(t, "quick")
}

// TestEditedThereAndBack: what was put back before the build ended leaves no trace in
// the content.
func TestEditedThereAndBack(t *testing.T) {
	p := newProject(t)
	p.write(t, "slow.Dockerfile", "FROM $P/quick\nRUN echo it begins $P && sleep 2\nCOPY b /\n")
	p.write(t, "rebuild.yaml", "images:\n  quick: {dockerfile: quick.Dockerfile, tags: [$P/quick]}\n"+
		"  slow: {dockerfile: slow.Dockerfile, tags: [$P/slow]}\n  top: {dockerfile: top.Dockerfile, tags: [$P/top]}\n")
	p.write(t, "top.Dockerfile", "FROM $P/slow\nCOPY a /top\n")
	enginetest.Cleanup(t, p.engine, p.prefix+"/top")
	errs := newBegins()
	done := p.start(t.Context(), io.Discard, errs)
	<-errs.begun
	p.write(t, "b", "edited")
	p.write(t, "b", "$P")
	if code := <-done; code != exitOK {
		t.Errorf("exit %d\n%s", code, errs)
	}
	if !strings.Contains(errs.String(), "files of slow were edited while it was built") {
		t.Errorf("it does not say so:\n%s", errs)
	}
	// What was built on it vouches for none of its layers either.
	for _, name := range []string{"slow", "top"} {
		im := planOf(t, "-C", p.dir).Image(name)
		if im.Action != impact.Rebuild || !slices.ContainsFunc(im.Layers, func(l impact.LayerPlan) bool { return l.State == impact.Invalidated }) {
			t.Errorf("%s: %s, %+v", name, im.Action, im.Layers)
		}
	}
	p.kept(t, "quick")
}

func TestOneRunAtATime(t *testing.T) {
	p := newProject(t)
	p.write(t, "slow.Dockerfile", "FROM $P/quick\nRUN echo it begins $P && sleep 2\nCOPY b /\n")
	first := newBegins()
	done := p.start(t.Context(), io.Discard, first)
	<-first.begun

	var errs bytes.Buffer
	if code := execute(t.Context(), []string{"-C", p.dir, "--no-wait"}, io.Discard, &errs); code != exitUsage || !strings.Contains(errs.String(), "another run is under way: process") {
		t.Errorf("--no-wait: exit %d\n%s", code, &errs)
	}
	out, second := &bytes.Buffer{}, &bytes.Buffer{}
	if code := <-p.start(t.Context(), out, second); code != exitOK {
		t.Errorf("the second run: exit %d\n%s", code, second)
	}
	if !strings.Contains(second.String(), "rebuild: waiting for process") || !strings.HasPrefix(out.String(), "nothing to rebuild") {
		t.Errorf("the second run built something, or did not say that it waits:\n%s%s", out, second)
	}
	if code := <-done; code != exitOK {
		t.Errorf("the first run: exit %d\n%s", code, first)
	}
}

// TestFewCalls counts what a run asks of the engine that has nothing to do.
func TestFewCalls(t *testing.T) {
	p := newProject(t)
	p.write(t, "slow.Dockerfile", "FROM $P/quick\nCOPY b /\n")
	if code := <-p.start(t.Context(), io.Discard, io.Discard); code != exitOK {
		t.Fatalf("exit %d", code)
	}
	proxy := newProxy(t, p.engine.Host())
	t.Setenv("DOCKER_HOST", "unix://"+proxy.path)
	var out bytes.Buffer
	if code := <-p.start(t.Context(), &out, io.Discard); code != exitOK || !strings.HasPrefix(out.String(), "nothing to rebuild") {
		t.Fatalf("exit %d\n%s", code, &out)
	}
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	if proxy.calls == 0 || proxy.calls > 4 {
		t.Errorf("%d calls of the engine", proxy.calls)
	}
	t.Logf("%d calls of the engine", proxy.calls)
}
