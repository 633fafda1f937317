package enginetest

import (
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"rebuild/docker"
	"rebuild/impact"
)

// Base is the image that WithBase makes. Tests of several packages share an engine, and each
// removes its own.
var Base = "rebuild.test/docker-base:" + Unique()

// WithBase gives the engine (see Connect) when it has a Busybox under Base.
func WithBase(t testing.TB) *docker.Engine {
	t.Helper()
	e := Connect(t)
	Busybox(t, e, Base)
	return e
}

// Unique is a text that nobody had before. In a Dockerfile or a file it makes layers
// that no cache holds, in a reference one that no other test uses.
func Unique() string { return strings.ToLower(rand.Text()[:12]) }

// Request is a build on Base. The Dockerfile follows FROM; context and reference are
// its own.
func Request(t testing.TB, name, dockerfile string, files Files) docker.Request {
	t.Helper()
	return docker.Request{
		Image:          impact.Image{Name: name},
		Dockerfile:     []byte("FROM " + Base + "\n" + dockerfile),
		DockerfileName: "docker/" + name + "/Dockerfile",
		Context:        docker.Source{FS: files, Key: "rebuild test " + Unique()},
		Refs:           []string{Ref(t, "rebuild.test/"+name+":"+Unique())},
	}
}

// MustBuild builds an image. Its references are removed when the test ends.
func MustBuild(t testing.TB, e *docker.Engine, req docker.Request) *docker.Result {
	t.Helper()
	Cleanup(t, e, req.Refs...)
	res, err := e.Build(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// Step is the first step of a build whose name holds part.
func Step(t testing.TB, res *docker.Result, part string) docker.Step {
	t.Helper()
	var names []string
	for _, s := range res.Steps {
		if strings.Contains(s.Name, part) {
			return s
		}
		names = append(names, s.Name)
	}
	t.Fatalf("no step %q in %q", part, names)
	return docker.Step{}
}

// Cleanup removes references when the test ends.
func Cleanup(t testing.TB, e *docker.Engine, refs ...string) {
	t.Cleanup(func() {
		for _, ref := range refs {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			_ = e.Remove(ctx, ref) // it may never have been made
			cancel()
		}
	})
}

// Tag gives an image one more reference, taking it from the image that had it.
func Tag(t testing.TB, e *docker.Engine, id, ref string) {
	t.Helper()
	Docker(t, e, "tag", id, ref)
}

// Docker runs the docker command on the engine and gives what it prints. Without the
// command the test is skipped.
func Docker(t testing.TB, e *docker.Engine, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("docker")
	if err != nil {
		t.Skip("this test needs the docker command")
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.Host(), "DOCKER_CONTEXT=")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// Prune removes images that have a label and no reference.
func Prune(t testing.TB, e *docker.Engine, label string) {
	t.Helper()
	cmd := exec.Command("docker", "image", "prune", "-f", "--filter", "label="+label)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.Host(), "DOCKER_CONTEXT=")
	if out, err := cmd.CombinedOutput(); err != nil { // also when the test has ended
		t.Errorf("docker image prune: %v: %s", err, out)
	}
}
