package docker_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"rebuild/docker"
	"rebuild/docker/enginetest"
	"rebuild/impact"
)

const mega = 1 << 20

// random are so many bytes that nobody had before, and that nothing makes smaller.
func random(size int) enginetest.File {
	data := make([]byte, size)
	_, _ = rand.Read(data) // it never fails
	return enginetest.File{Data: data}
}

// loadBed is a builder with a classic engine beside it, which is reached through a proxy.
type loadBed struct {
	*testing.T
	both, engine *docker.Engine
	proxy        *proxy
	parent       docker.Request
}

func newLoadBed(t *testing.T) *loadBed {
	address := os.Getenv("REBUILD_TEST_BUILDER")
	if address == "" {
		t.Skip("REBUILD_TEST_BUILDER names no buildkitd")
	}
	b := &loadBed{T: t, engine: enginetest.Connect(t)}
	socket, ok := strings.CutPrefix(b.engine.Host(), "unix://")
	if !ok || enginetest.Manifests(t, b.engine) {
		t.Skip("this test needs an engine on this machine with a classic store")
	}
	b.proxy = newProxy(t, socket)
	var err error
	if b.both, err = docker.Connect(t.Context(), docker.Options{Builders: []string{address}, Host: "unix://" + b.proxy.path, Load: docker.Load}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.both.Close() })
	b.parent = b.request("parent", "FROM scratch\nCOPY . /parent/\n", enginetest.Files{"big": random(4 * mega)})
	return b
}

func (b *loadBed) request(name, dockerfile string, files enginetest.Files) docker.Request {
	ref := enginetest.Ref(b, "rebuild.test/"+name+":"+enginetest.Unique())
	enginetest.Cleanup(b, b.engine, ref)
	return docker.Request{
		Image: impact.Image{Name: name, Refs: []string{ref}}, DockerfileName: name + "/Dockerfile", Dockerfile: []byte(dockerfile),
		Context: docker.Source{FS: files, Key: "rebuild test " + enginetest.Unique()}, Refs: []string{ref},
	}
}

func (b *loadBed) child(files enginetest.Files) docker.Request {
	req := b.request("child", "FROM "+b.parent.Refs[0]+"\nCOPY . /child/\n", files)
	req.Ancestors = []docker.Request{b.parent}
	return req
}

// sends builds an image, and tells how much was sent to the engine, in bytes.
func (b *loadBed) sends(req docker.Request) (*docker.Result, int64) {
	b.Helper()
	before := b.proxy.sent.Load()
	res, err := b.both.Build(b.Context(), req)
	if err != nil {
		b.Fatal(err)
	}
	im, err := b.engine.Inspect(b.Context(), res.ImageID)
	if err != nil || !slices.Equal(im.Chain, res.Chain) {
		b.Errorf("the engine has %+v, %v", im, err)
	}
	return res, b.proxy.sent.Load() - before
}

// whenLoaded has fn called when the engine is asked to load an image, before it is.
func (b *loadBed) whenLoaded(fn func()) {
	asked := func(sent []byte) {
		if bytes.Contains(sent, []byte("/images/load?")) {
			b.proxy.asked.Store(nil)
			fn()
		}
	}
	b.proxy.asked.Store(&asked)
}

// saved is what the engine gives back of an image: without all of its layers, that fails.
func (b *loadBed) saved(id string) int {
	b.Helper()
	return len(enginetest.Docker(b, b.engine, "save", id))
}

// TestBuilderLoadsWhatIsMissing: a layer that the engine has does not travel.
func TestBuilderLoadsWhatIsMissing(t *testing.T) {
	b := newLoadBed(t)
	_, sent := b.sends(b.parent)
	if sent < 4*mega {
		t.Errorf("the parent took %d bytes", sent)
	}
	_, sent = b.sends(b.parent)
	if sent > mega/4 {
		t.Errorf("what the engine has took %d bytes", sent)
	}
	own, same := random(mega), random(mega)
	child := b.child(enginetest.Files{"own": own})
	child.Dockerfile = append(child.Dockerfile, "COPY . /again/\n"...)
	first, sent := b.sends(child)
	if sent < 2*mega || sent > 3*mega {
		t.Errorf("the child took %d bytes", sent)
	}
	if s := enginetest.Step(t, first, "loading into the engine"); len(s.Tail) != 1 || !strings.HasPrefix(s.Tail[0], "2 of 3 layers, 2.0") {
		t.Errorf("%q", s.Tail)
	}
	if n := b.saved(first.ImageID); n < 6*mega {
		t.Errorf("the engine has %d bytes of it", n)
	}

	// A layer of the old image that lies on another one now is a layer that the engine lacks.
	child.Dockerfile = []byte("FROM " + b.parent.Refs[0] + "\nCOPY new /new\nCOPY own /child/\n")
	child.Context.FS = enginetest.Files{"own": own, "new": same}
	next, sent := b.sends(child)
	if sent < 2*mega || sent > 3*mega {
		t.Errorf("the next child took %d bytes", sent)
	}
	// The own image counts, although what it is built on is gone by its name.
	if err := b.engine.Remove(t.Context(), b.parent.Refs[0]); err != nil {
		t.Fatal(err)
	}
	child.Dockerfile = append(child.Dockerfile, "ENV A=b\n"...)
	last, sent := b.sends(child)
	if sent > mega/4 || !slices.Equal(last.Chain, next.Chain) || last.ImageID == next.ImageID {
		t.Errorf("another config took %d bytes: %+v", sent, last)
	}
}

// TestBuilderLoadsAnyImage: one without layers, one that has a layer twice, one without
// a name.
func TestBuilderLoadsAnyImage(t *testing.T) {
	b := newLoadBed(t)
	empty := b.request("empty", "FROM scratch\nENV A="+enginetest.Unique()+"\n", nil)
	for range 2 {
		if res, _ := b.sends(empty); len(res.Chain) != 0 {
			t.Errorf("%+v", res)
		}
	}
	b.parent.Image.Refs, b.parent.Refs = nil, nil
	for i := range 2 {
		res, sent := b.sends(b.parent)
		if !strings.HasPrefix(res.ImageID, "sha256:") || len(res.Chain) != 1 || sent < 4*mega {
			t.Errorf("%d: %d bytes, %+v", i, sent, res)
		}
		if i == 1 {
			_ = b.engine.Remove(t.Context(), res.ImageID)
		}
	}

	program, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	twice := b.request("twice", "FROM scratch\nCOPY busybox /bin/\nRUN [\"/bin/busybox\", \"true\"]\nRUN [\"/bin/busybox\", \"true\"]\nCOPY text /\nRUN [\"/bin/busybox\", \"true\", \"again\"]\n",
		enginetest.Files{"busybox": {Data: program, Mode: 0o755}, "text": {Data: []byte(enginetest.Unique())}})
	res, _ := b.sends(twice)
	if len(res.Chain) != 5 || res.Chain[2] != res.Chain[4] {
		t.Errorf("chain %q", res.Chain)
	}
	twice.Dockerfile = append(twice.Dockerfile, "COPY text /more\nRUN [\"/bin/busybox\", \"true\", \"more\"]\n"...)
	res, sent := b.sends(twice)
	if len(res.Chain) != 7 || sent > mega/4 {
		t.Errorf("%d bytes, chain %q", sent, res.Chain)
	}
	if out := enginetest.Docker(t, b.engine, "run", "--rm", "--network=none", res.ImageID, "/bin/busybox", "cat", "/more"); out == "" {
		t.Error("its files are not there")
	}
}

// TestBuilderLoadsWhatWasLost: layers that the engine loses after it was asked are loaded
// all the same, and nobody hears of an error.
func TestBuilderLoadsWhatWasLost(t *testing.T) {
	b := newLoadBed(t)
	b.sends(b.parent)
	child := b.child(enginetest.Files{"own": random(mega)})
	child.NoCache = true
	b.whenLoaded(func() {
		if err := b.engine.Remove(t.Context(), b.parent.Refs[0]); err != nil {
			t.Error(err)
		}
	})
	res, sent := b.sends(child)
	if sent < 6*mega {
		t.Errorf("%d bytes", sent)
	}
	b.saved(res.ImageID)
	if s := enginetest.Step(t, res, "COPY . /child/"); !s.Ran() {
		t.Errorf("%+v", s)
	}
	for _, s := range res.Steps {
		if s.Error != "" {
			t.Errorf("%+v", s)
		}
	}
	if len(res.Warnings) > 0 {
		t.Errorf("%q", res.Warnings)
	}
	child.NoCache = false
	if again, err := b.both.Build(t.Context(), child); err != nil || again.ImageID != res.ImageID {
		t.Errorf("%+v %v", again, err)
	}
}

// TestBuilderLoadCanceled: a load that is given up ends at once, and leaves no image.
func TestBuilderLoadCanceled(t *testing.T) {
	b := newLoadBed(t)
	for _, had := range []bool{false, true} {
		req := b.parent
		if had {
			req = b.child(enginetest.Files{"own": random(4 * mega)})
		}
		ctx, cancel := context.WithCancel(t.Context())
		asked := false
		release := make(chan struct{})
		b.whenLoaded(func() {
			asked = true
			cancel()
			<-release // the engine takes nothing
		})
		_, err := b.both.Build(ctx, req)
		close(release)
		if !errors.As(err, new(*docker.Canceled)) || !asked {
			t.Errorf("%T %v", err, err)
		}
		if _, err := b.engine.Inspect(t.Context(), req.Refs[0]); !errors.Is(err, docker.ErrNoImage) {
			t.Errorf("it is there: %v", err)
		}
		b.sends(req)
	}
}

// TestBuilderLoadsAndPushes: what a registry gets is compressed as without a load, in
// whatever order the two come.
func TestBuilderLoadsAndPushes(t *testing.T) {
	b := newLoadBed(t)
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	req := b.request("pushed", "FROM scratch\nCOPY . /\n", enginetest.Files{"text": {Data: bytes.Repeat([]byte(enginetest.Unique()), mega/12)}})
	req.Refs = []string{host + "/pushed:1"}
	enginetest.Cleanup(t, b.engine, req.Refs...)
	b.sends(req)
	req.Push = true
	res, sent := b.sends(req)
	if sent > mega/4 || !strings.HasPrefix(res.Pushed, host+"/pushed@sha256:") {
		t.Errorf("%d bytes, %q", sent, res.Pushed)
	}
	answer, err := server.Client().Get(server.URL + "/v2/pushed/manifests/1")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var manifest struct {
		Layers []struct {
			MediaType string
			Size      int
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&manifest); err != nil || len(manifest.Layers) != 1 {
		t.Fatal(manifest, err)
	}
	if l := manifest.Layers[0]; !strings.HasSuffix(l.MediaType, "gzip") || l.Size > mega/4 {
		t.Errorf("%+v", l)
	}
}
