package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"rebuild/docker"
	"rebuild/docker/enginetest"
	"rebuild/impact"
)

// TestHazards are stories of constructs that are easily understood wrong: an
// edit, the plan that is expected, and the verdict of a build. Each has $OS, a base
// image of its own with a shell, and $P, a prefix for its own tags.
func TestHazards(t *testing.T) {
	e := enginetest.Connect(t)
	busybox := fmt.Sprintf("rebuild-hazard/os:%x", rand.Uint64())
	enginetest.Busybox(t, e, busybox)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/hazards",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			prefix := fmt.Sprintf("rebuild-hazard-%x", rand.Uint64())
			env.Setenv("OS", prefix+"/os")
			env.Setenv("P", prefix)
			env.Values[storyJudge{}] = newJudge(env.WorkDir)
			env.Defer(func() { removeTags(t, e, prefix) })
			if err := newBase(e, busybox, prefix+"/os"); err != nil {
				return err
			}
			return gitEnv(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fill":      fill,
			"fill-text": fillText,
			"judge":     judgeStory,
			"serve":     serve,
			"tag":       func(ts *testscript.TestScript, _ bool, args []string) { tagImage(ts, e, args) },
		},
	})
}

// TestHazardsOfBuilder are stories of what an old engine ignores: a current buildkitd
// judges them. It has no image store, so images are built on nothing.
// REBUILD_TEST_BUILDER is its address, on this machine.
func TestHazardsOfBuilder(t *testing.T) {
	address := os.Getenv("REBUILD_TEST_BUILDER")
	if address == "" {
		t.Skip("REBUILD_TEST_BUILDER names no buildkitd")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/hazards-builder",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("P", fmt.Sprintf("rebuild-hazard-%x", rand.Uint64()))
			j := newJudge(env.WorkDir)
			j.builder = address
			env.Values[storyJudge{}] = j
			return gitEnv(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fill":      fill,
			"fill-text": fillText,
			"judge":     judgeStory,
		},
	})
}

// newBase makes a base image on which nothing was ever built.
func newBase(e *docker.Engine, busybox, ref string) error {
	full, err := docker.NormalRef(ref)
	if err != nil {
		return err
	}
	_, err = e.Build(context.Background(), docker.Request{
		Image:      impact.Image{Name: "os"},
		Dockerfile: fmt.Appendf(nil, "FROM %s\nRUN echo %s > /token\n", busybox, ref),
		Refs:       []string{full},
	})
	return err
}

// fillText writes a file, with its folder: fill-text FILE TEXT. In the text are $OS,
// $P and \n; the last line needs none.
func fillText(ts *testscript.TestScript, _ bool, args []string) {
	name, text := ts.MkAbs(args[0]), strings.ReplaceAll(args[1], `\n`, "\n")
	ts.Check(os.MkdirAll(filepath.Dir(name), 0o755))
	ts.Check(os.WriteFile(name, []byte(strings.TrimSuffix(text, "\n")+"\n"), 0o644))
	fill(ts, false, args[:1])
}

// serve gives a folder's files, and the git repositories in it, over HTTP until the
// story ends, and keeps the address in a variable: serve VAR DIR. The engine fetches
// from loopback by itself.
func serve(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[1])
	files := http.FileServer(http.Dir(dir))
	path, err := exec.Command("git", "--exec-path").Output()
	ts.Check(err)
	repositories := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, ".git/") {
			repositories.ServeHTTP(w, r)
			return
		}
		files.ServeHTTP(w, r)
	}))
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.URL)
}

// storyJudge is the key of a story's judge.
type storyJudge struct{}

// judgeStory plans, builds, and compares with BuildKit: judge IMAGE=PLAN... A plan
// is "keep", "error", or "2/3" for a rebuild in which two of three steps run; an
// image that is not named is kept.
func judgeStory(ts *testscript.TestScript, _ bool, args []string) {
	v, err := ts.Value(storyJudge{}).(*judge).judgeNow(context.Background())
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s\n%s", v, v.errs)
	for _, m := range v.misses() {
		ts.Fatalf("%s: %s", m.kind, m.what)
	}
	want := slices.Clone(args)
	for _, im := range v.images {
		if !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, im.plan.Name+"=") }) {
			want = append(want, im.plan.Name+"=keep")
		}
	}
	slices.Sort(want)
	if got := v.String(); got != strings.Join(want, " ") {
		var why bytes.Buffer
		for _, im := range v.images {
			fmt.Fprintf(&why, "\n%s: %+v", im.plan.Name, im.plan.Reasons)
			for _, l := range im.layers {
				fmt.Fprintf(&why, "\n  %-11s ran %-5v %s", l.State, l.ran, l.Name)
			}
		}
		ts.Fatalf("the plan is %s, not %s%s", got, strings.Join(want, " "), why.String())
	}
}
