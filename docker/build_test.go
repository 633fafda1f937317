package docker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"

	"rebuild/docker"
	"rebuild/docker/enginetest"
	"rebuild/impact"
)

func TestBuildAndItsCache(t *testing.T) {
	e := enginetest.WithBase(t)
	req := enginetest.Request(t, "app", "COPY a /a\nRUN echo made "+enginetest.Unique()+" > /b\nLABEL x=y\n",
		enginetest.Files{"a": {Data: []byte(enginetest.Unique())}})
	first := enginetest.MustBuild(t, e, req)
	if s := enginetest.Step(t, first, "RUN echo"); !s.Ran() || s.Line != 3 || s.Duration() <= 0 {
		t.Errorf("RUN: %+v", s)
	}
	second := enginetest.MustBuild(t, e, req)
	for _, s := range second.Steps {
		if s.Ran() && (strings.Contains(s.Name, "RUN") || strings.Contains(s.Name, "COPY")) {
			t.Errorf("ran again: %+v", s)
		}
	}
	if second.ImageID != first.ImageID || second.Config != first.Config || !slices.Equal(second.Chain, first.Chain) {
		t.Errorf("first %s %s %q\nsecond %s %s %q", first.ImageID, first.Config, first.Chain, second.ImageID, second.Config, second.Chain)
	}
	below, err := e.Inspect(t.Context(), enginetest.Base)
	if err != nil || len(first.Chain) != len(below.Chain)+2 || !slices.Equal(first.Chain[:len(below.Chain)], below.Chain) {
		t.Errorf("chain %q on %q, %v", first.Chain, below.Chain, err)
	}
	images, err := e.Images(t.Context())
	if err != nil || images.ID(req.Refs[0]) != first.ImageID || images.Untagged(first.ImageID) {
		t.Errorf("images: %v %q", err, images.ID(req.Refs[0]))
	}

	// A new label: the same layers, another config and image.
	req.Image.Labels = map[string]string{"l": "1"}
	third := enginetest.MustBuild(t, e, req)
	if third.Config == first.Config || !slices.Equal(third.Chain, first.Chain) || third.ImageID == first.ImageID {
		t.Errorf("labelled: %+v", third)
	}
	im, err := e.Inspect(t.Context(), third.ImageID)
	if err != nil || !bytes.Contains(im.Config, []byte(`"diff_ids"`)) || !bytes.Contains(im.Config, []byte(`"l":"1"`)) || !slices.Equal(im.Chain, third.Chain) {
		t.Errorf("inspect: %v %s", err, im.Config)
	}
	if !bytes.Contains(third.ConfigJSON, []byte(third.Chain[len(third.Chain)-1])) || !bytes.Contains(third.ConfigJSON, []byte(`"history"`)) {
		t.Errorf("config: %s", third.ConfigJSON)
	}
	req.NoCache = true
	if s := enginetest.Step(t, enginetest.MustBuild(t, e, req), "RUN echo"); s.Cached {
		t.Error("no-cache: RUN was cached")
	}
}

// What a definition says reaches the build.
func TestDefinition(t *testing.T) {
	e := enginetest.WithBase(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("REBUILD_TEST_TOKEN", "fromenv")
	req := enginetest.Request(t, "all", `ARG WORD
COPY . /ctx/
RUN echo `+enginetest.Unique()+` && test "$WORD" = hello && test ! -e /ctx/ignored && test -e /ctx/kept
RUN --mount=type=secret,id=file cat /run/secrets/file && test "$(cat /run/secrets/file)" = s3cret
RUN --mount=type=secret,id=env test "$(cat /run/secrets/env)" = fromenv
RUN --mount=type=secret,id=given test "$(cat /run/secrets/given)" = fromfile
RUN grep "10.9.8.7.*db.internal" /etc/hosts
COPY --from=folder /f /f
COPY <<EOT /heredoc
text
EOT
RUN test "$(cat /f)" = named && test "$(cat /heredoc)" = text
FROM scratch AS other
`, enginetest.Files{"kept": {}, "ignored": {}, ".dockerignore": {Data: []byte("kept\n")}})
	req.Dockerfile = append([]byte("# syntax=docker/dockerfile:0.0-absent\n"), bytes.Replace(req.Dockerfile, []byte(enginetest.Base), []byte(enginetest.Base+" AS main"), 1)...)
	req.Ignore = []byte("ignored\n")
	req.Root = dir
	req.Named = map[string]docker.Source{"folder": {FS: enginetest.Files{"f": {Data: []byte("named")}}, Key: "n " + enginetest.Unique()}}
	req.Image.Target = "main"
	req.Image.Args = map[string]string{"WORD": "hello"}
	req.Image.Secrets = []string{"id=file,src=token", "id=env,env=REBUILD_TEST_TOKEN", "id=given,env=REBUILD_TEST_GIVEN"}
	req.Image.SecretEnv = map[string]string{"REBUILD_TEST_GIVEN": "fromfile"}
	req.Image.ExtraHosts = map[string]string{"db.internal": "10.9.8.7"}
	req.Image.CacheTo = []string{"type=gha"}
	req.Image.Contexts = []impact.NamedContext{{Name: "folder", Dir: "elsewhere"}}
	res := enginetest.MustBuild(t, e, req)
	if len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0], "type=gha") {
		t.Errorf("warnings: %q", res.Warnings)
	}
}

// Images are named contexts. (One at a time: the frontend resolves several at
// once, and the race detector finds fault with how it does.)
func TestNamedImages(t *testing.T) {
	e := enginetest.WithBase(t)
	parent := enginetest.Request(t, "parent", "RUN echo parent > /mark\n", nil)
	want := enginetest.MustBuild(t, e, parent)
	for _, nc := range []impact.NamedContext{{Name: "from", Image: "parent"}, {Name: "from", Ref: "docker-image://" + parent.Refs[0]}, {Name: "from", Ref: parent.Refs[0]}} {
		req := enginetest.Request(t, "child", "", nil)
		req.Dockerfile = []byte("FROM from\nLABEL a=b\n")
		req.Image.Contexts = []impact.NamedContext{nc}
		req.Parents = map[string]string{"parent": parent.Refs[0]}
		if got := enginetest.MustBuild(t, e, req); !slices.Equal(got.Chain, want.Chain) {
			t.Errorf("%+v: chain %q, want %q", nc, got.Chain, want.Chain)
		}
	}
}

// Without an ignore file in effect, one that lies in the context is content.
func TestNoIgnoreFile(t *testing.T) {
	e := enginetest.WithBase(t)
	req := enginetest.Request(t, "plain", "COPY . /ctx/\nRUN test -e /ctx/a && test -e /ctx/.dockerignore\n",
		enginetest.Files{"a": {Data: []byte(enginetest.Unique())}, ".dockerignore": {Data: []byte("a\n")}})
	enginetest.MustBuild(t, e, req)
}

// A context named as a base image with a tag replaces it.
func TestNamedContextReplacesBase(t *testing.T) {
	e := enginetest.WithBase(t)
	req := enginetest.Request(t, "child", "RUN test -e /bin/sh && echo "+enginetest.Unique()+"\n", nil)
	req.Dockerfile = bytes.Replace(req.Dockerfile, []byte(enginetest.Base), []byte("absent.test/app-base:cuda"), 1)
	req.Image.Contexts = []impact.NamedContext{{Name: "absent.test/app-base:cuda", Image: "b"}}
	req.Parents = map[string]string{"b": enginetest.Ref(t, enginetest.Base)}
	enginetest.MustBuild(t, e, req)
}

// A Dockerfile of equal length and another content is never mixed up.
func TestDockerfileOfEqualSize(t *testing.T) {
	e := enginetest.WithBase(t)
	id := enginetest.Unique()
	req := enginetest.Request(t, "same", "RUN echo A"+id+"\n", nil)
	for _, letter := range []string{"A", "B", "A", "C"} {
		req.Dockerfile = []byte("FROM " + enginetest.Base + "\nRUN echo " + letter + id + "\n")
		enginetest.Step(t, enginetest.MustBuild(t, e, req), "RUN echo "+letter+id)
	}
}

func TestFailures(t *testing.T) {
	e := enginetest.WithBase(t)
	tests := []struct {
		name, dockerfile string
		change           func(*docker.Request)
		line             int
		step, cause, log string
	}{
		{name: "run", dockerfile: "\nRUN echo fine\nRUN for i in 1 2 3; do echo line $i; done; echo broke " + enginetest.Unique() + " >&2; exit 7\n",
			line: 4, step: "RUN for i", cause: "exit code: 7", log: "line 3"},
		{name: "missing source", dockerfile: "COPY a /a\nCOPY gone.txt /b\n", line: 3, step: "COPY gone.txt", cause: "not found"},
		{name: "syntax", dockerfile: "\n\nRUNN x\n", line: 4, cause: "unknown instruction"},
		{name: "stage", dockerfile: "RUN true\n", change: func(r *docker.Request) { r.Image.Target = "nosuch" }, cause: "nosuch"},
		{name: "parallel stages", dockerfile: "FROM 0 AS one\nRUN echo " + enginetest.Unique() + "; sleep 30\nFROM 0 AS two\nRUN echo " + enginetest.Unique() + "; exit 9\nFROM scratch\nCOPY --from=one /x /\nCOPY --from=two /bin/sh /\n",
			change: func(r *docker.Request) {
				r.Dockerfile = bytes.ReplaceAll(bytes.Replace(r.Dockerfile, []byte(enginetest.Base), []byte(enginetest.Base+" AS b"), 1), []byte("FROM 0"), []byte("FROM b"))
			},
			line: 5, step: "RUN echo", cause: "exit code: 9"},
		{name: "secret", dockerfile: "RUN true\n", change: func(r *docker.Request) { r.Image.Secrets = []string{"id=x,src=/nonexistent"} }, cause: "/nonexistent"},
		{name: "network", dockerfile: "RUN true\n", change: func(r *docker.Request) { r.Image.Network = "bridge" }, cause: "network"},
		{name: "base", dockerfile: "RUN true\n", change: func(r *docker.Request) { r.Dockerfile = []byte("FROM rebuild.local/nosuch:1\n") }, line: 1, cause: "nosuch"},
		{name: "parent without reference", dockerfile: "RUN true\n", change: func(r *docker.Request) {
			r.Image.Contexts = []impact.NamedContext{{Name: "p", Image: "q"}}
		}, cause: "image q has no reference"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := enginetest.Request(t, "bad", tt.dockerfile, enginetest.Files{"a": {}})
			req.LogFile = filepath.Join(t.TempDir(), "logs", "bad.log")
			if tt.change != nil {
				tt.change(&req)
			}
			_, err := e.Build(t.Context(), req)
			var failure *docker.BuildFailure
			if !errors.As(err, &failure) {
				t.Fatalf("error %T %v", err, err)
			}
			if failure.Line != tt.line || !strings.Contains(failure.Step, tt.step) || !strings.Contains(failure.Cause.Error(), tt.cause) || failure.LogFile != req.LogFile {
				t.Errorf("failure %+v\n%v", failure, err)
			}
			if log := strings.Join(failure.LastLog, "\n"); !strings.Contains(log, tt.log) {
				t.Errorf("log %q", log)
			}
			whole, err := os.ReadFile(req.LogFile)
			if err != nil || !strings.Contains(string(whole), tt.log) {
				t.Errorf("log file: %v %q", err, whole)
			}
		})
	}
}

// Limits are set, or stop the image: an old engine would go on without them.
func TestLimits(t *testing.T) {
	e := enginetest.WithBase(t)
	caps := enginetest.Capabilities(t, e)
	for _, tt := range []struct {
		what, check string
		cap         apicaps.CapID
		limit       func(*impact.Image)
	}{
		{"ulimits", `test "$(ulimit -n)" = 1000`, pb.CapExecMetaUlimit, func(im *impact.Image) { im.Ulimits = []string{"nofile=1000:1000"} }},
		{"shm-size", `df -k /dev/shm | grep -q 33792`, pb.CapExecMountTmpfsSize, func(im *impact.Image) { im.ShmSize = "33m" }},
	} {
		t.Run(tt.what, func(t *testing.T) {
			req := enginetest.Request(t, "limits", "RUN "+tt.check+"\n", nil)
			enginetest.Cleanup(t, e, req.Refs...)
			tt.limit(&req.Image)
			_, err := e.Build(t.Context(), req)
			var ignored *docker.Unsupported
			if caps.Supports(tt.cap) != nil {
				if !errors.As(err, &ignored) || !strings.HasPrefix(ignored.What, tt.what) || ignored.Version == "" {
					t.Errorf("error %v", err)
				}
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// What the engine would silently ignore stops the build before it begins. What it says that
// it knows, it does.
func TestUnsupported(t *testing.T) {
	e := enginetest.WithBase(t)
	caps := enginetest.Capabilities(t, e)
	t.Setenv("REBUILD_TEST_TOKEN", "fromenv")
	onbuild := enginetest.Request(t, "onbuild", "ONBUILD COPY --exclude=x . /y\n", nil)
	enginetest.MustBuild(t, e, onbuild)
	for _, tt := range []struct {
		dockerfile, what string
		line             int
		cap              apicaps.CapID
		check            string // where the engine knows it
	}{
		{"RUN true\nCOPY --exclude=*.md . /x\n", "--exclude", 3, pb.CapFileCopyIncludeExcludePatterns, "RUN test ! -e /x/c.md && test -e /x/a\n"},
		{"COPY --parents d/b /x/\n", "--parents", 2, pb.CapFileCopyIncludeExcludePatterns, "RUN test -e /x/d/b && test ! -e /x/a\n"},
		{"COPY --chmod=u+x a /x\n", "--chmod", 2, pb.CapExecValidExitCode, "RUN test -x /x\n"},
		{"RUN --mount=type=secret,id=x,env=Y test \"$Y\" = fromenv\n", "secret,env", 2, pb.CapExecSecretEnv, ""},
		{"RUN --mount=type=tmpfs,target=/t,size=1m test \"$(df -k /t | awk 'END { print $2 }')\" = 1024\n", "tmpfs", 2, pb.CapExecMountTmpfsSize, ""},
		{"FROM " + onbuild.Refs[0] + "\n", "--exclude", 2, pb.CapFileCopyIncludeExcludePatterns, "RUN test -e /y/a && test ! -e /y/x\n"},
		{"FROM scratch\nCOPY --exclude=x . /y\nFROM " + enginetest.Base + "\nRUN true\n", "", 0, "", ""}, // an unreachable stage
		{"COPY --chmod=644 a /x\nCOPY --link a /y\n", "", 0, "", ""},
	} {
		t.Run(tt.dockerfile, func(t *testing.T) {
			knows := tt.cap == "" || caps.Supports(tt.cap) == nil
			if knows {
				tt.dockerfile += tt.check
			}
			req := enginetest.Request(t, "old", tt.dockerfile, enginetest.Files{"a": {}, "c.md": {}, "d/b": {}, "x": {}})
			req.Image.Secrets = []string{"id=x,env=REBUILD_TEST_TOKEN"}
			enginetest.Cleanup(t, e, req.Refs...)
			_, err := e.Build(t.Context(), req)
			if knows {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var found *docker.Unsupported
			var failure *docker.BuildFailure
			if !errors.As(err, &found) || !errors.As(err, &failure) {
				t.Fatalf("error %v", err)
			}
			if failure.Line != tt.line || !strings.Contains(found.What, tt.what) || found.Version == "" {
				t.Errorf("%+v", found)
			}
		})
	}
}

// onLog calls fn once, when a log line holds text.
type onLog struct {
	text string
	once sync.Once
	fn   func()
}

func (o *onLog) Write(s *client.SolveStatus) {
	for _, l := range s.Logs {
		if strings.Contains(string(l.Data), o.text) {
			o.once.Do(o.fn)
		}
	}
}

func TestCancel(t *testing.T) {
	e := enginetest.WithBase(t)
	for _, trap := range []string{"", "trap '' TERM INT; "} {
		req := enginetest.Request(t, "slow", "RUN "+trap+"echo started "+enginetest.Unique()+"; sleep 60; sleep 60\n", nil)
		ctx, cancel := context.WithCancel(t.Context())
		var at time.Time
		req.Progress = &onLog{text: "started", fn: func() { at = time.Now(); cancel() }}
		_, err := e.Build(ctx, req)
		took := time.Since(at)
		var canceled *docker.Canceled
		if !errors.As(err, &canceled) || !errors.Is(err, context.Canceled) || canceled.Image != "slow" {
			t.Errorf("error %T %v", err, err)
		}
		if took > time.Second {
			t.Errorf("the build ended %v after it was cancelled", took)
		}
		t.Logf("ended after %v", took)
	}
}

// An engine that goes away in the middle of a build.
func TestLostEngine(t *testing.T) {
	direct := enginetest.WithBase(t)
	proxy := newProxy(t, strings.TrimPrefix(direct.Host(), "unix://"))
	e, err := docker.Connect(t.Context(), docker.Options{Host: "unix://" + proxy.path})
	if err != nil {
		t.Fatal(err)
	}
	req := enginetest.Request(t, "cut", "RUN echo started "+enginetest.Unique()+"; sleep 60\n", nil)
	var at time.Time
	req.Progress = &onLog{text: "started", fn: func() { at = time.Now(); proxy.cut() }}
	_, err = e.Build(t.Context(), req)
	var gone *docker.Unreachable
	if !errors.As(err, &gone) || gone.Hint == "" || gone.Host != "unix://"+proxy.path {
		t.Errorf("error %T %v", err, err)
	}
	if took := time.Since(at); took > 2*time.Second {
		t.Errorf("noticed after %v", took)
	}
	// It comes back: the same Engine works at once.
	proxy.listen()
	if _, err := e.Images(t.Context()); err != nil {
		t.Errorf("images: %v", err)
	}
	req = enginetest.Request(t, "again", "RUN echo "+enginetest.Unique()+"\n", nil)
	enginetest.MustBuild(t, e, req)
}

// Builds at once share a vertex, and each shows it under its own name.
func TestSharedVertexKeepsItsName(t *testing.T) {
	e := enginetest.WithBase(t)
	run := "RUN echo shared " + enginetest.Unique() + "; sleep 1\n"
	var group sync.WaitGroup
	for _, name := range []string{"one", "two", "three"} {
		req := enginetest.Request(t, name, "", nil)
		req.Dockerfile = []byte("FROM " + enginetest.Base + " AS " + name + "\n" + run + "FROM " + name + "\nRUN echo " + name + "\n")
		enginetest.Cleanup(t, e, req.Refs...)
		group.Go(func() {
			res, err := e.Build(t.Context(), req)
			if err != nil {
				t.Error(err)
				return
			}
			for _, s := range res.Steps {
				if strings.Contains(s.Name, "RUN echo shared") && !strings.HasPrefix(s.Name, "["+name+" ") {
					t.Errorf("%s shows %q", name, s.Name)
				}
			}
		})
	}
	group.Wait()
}

func TestUnreachable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "docker.sock")
	e, err := docker.Connect(t.Context(), docker.Options{Host: "unix://" + path})
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]func() error{
		"id":      func() error { _, err := e.ID(t.Context()); return err },
		"images":  func() error { _, err := e.Images(t.Context()); return err },
		"inspect": func() error { _, err := e.Inspect(t.Context(), "x"); return err },
		"build": func() error {
			_, err := e.Build(t.Context(), docker.Request{Image: impact.Image{Name: "x"}})
			return err
		},
	}
	for name, call := range calls {
		var gone *docker.Unreachable
		if err := call(); !errors.As(err, &gone) || gone.Host != "unix://"+path || gone.Hint == "" {
			t.Errorf("%s: %T %v", name, err, err)
		}
	}
	builder, err := docker.Connect(t.Context(), docker.Options{Builders: []string{"unix://" + path}, Load: docker.NoLoad})
	if err != nil {
		t.Fatal(err)
	}
	var gone *docker.Unreachable
	if _, err := builder.Build(t.Context(), docker.Request{Image: impact.Image{Name: "x"}, Dockerfile: []byte("FROM scratch")}); !errors.As(err, &gone) {
		t.Errorf("builder: %T %v", err, err)
	}
}

func TestTagRemove(t *testing.T) {
	e := enginetest.WithBase(t)
	req := enginetest.Request(t, "tagged", "RUN echo "+enginetest.Unique()+"\n", nil)
	res := enginetest.MustBuild(t, e, req)
	second := enginetest.Ref(t, "rebuild.test/second:"+enginetest.Unique())
	enginetest.Tag(t, e, res.ImageID, second)
	if err := e.Remove(t.Context(), res.ImageID); !errors.Is(err, docker.ErrInUse) {
		t.Errorf("two tags: %v", err)
	}
	for _, ref := range []string{second, req.Refs[0]} {
		if err := e.Remove(t.Context(), ref); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if _, err := e.Inspect(t.Context(), res.ImageID); !errors.Is(err, docker.ErrNoImage) {
		t.Errorf("gone: %v", err)
	}
}

// Lines of builds that run at once do not run into each other, and every one
// says whose it is.
func TestProgressOfManyBuilds(t *testing.T) {
	e := enginetest.WithBase(t)
	var out bytes.Buffer
	progress, err := docker.NewProgress(&out, "plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	logs := t.TempDir()
	var group sync.WaitGroup
	for i := range 4 {
		name := fmt.Sprintf("img%d", i)
		req := enginetest.Request(t, name, "RUN for i in 1 2 3 4 5 6 7 8 9; do printf %s- "+name+"; usleep 20000; printf '%s\\n' end"+name+"; done; echo "+enginetest.Unique()+"\n", nil)
		req.Progress = progress.Image(name)
		req.LogFile = filepath.Join(logs, name+".log")
		enginetest.Cleanup(t, e, req.Refs...)
		group.Go(func() {
			if _, err := e.Build(t.Context(), req); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if err := progress.Close(); err != nil {
		t.Fatal(err)
	}
	if err := progress.Close(); err != nil {
		t.Fatal(err)
	}
	progress.Image("late").Write(&client.SolveStatus{}) // is dropped
	for i := range 4 {
		name := fmt.Sprintf("img%d", i)
		if !strings.Contains(out.String(), "["+name+" 2/2] RUN for i") {
			t.Errorf("%s is not marked", name)
		}
		whole := fmt.Sprintf(" %s-end%s\n", name, name)
		if n := strings.Count(out.String(), whole); n != 9 {
			t.Errorf("%s: %d whole lines", name, n)
		}
		log, err := os.ReadFile(filepath.Join(logs, name+".log"))
		if err != nil || strings.Count(string(log), whole) != 9 || !strings.Contains(string(log), "[2/2] RUN for i") {
			t.Errorf("log of %s: %v\n%s", name, err, log)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}
