package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	"github.com/rogpeppe/go-internal/testscript"

	"rebuild/cmd/rebuild/session"
	"rebuild/docker"
	"rebuild/docker/enginetest"
	"rebuild/docker/record"
)

// TestEngineStories are stories on a real engine. Each has $OS, a base image with
// a shell, and $P, a prefix for its own tags, which are removed at its end.
func TestEngineStories(t *testing.T) { engineStories(t, "testdata/engine") }

func engineStories(t *testing.T, dir string) {
	e := enginetest.Connect(t)
	base := fmt.Sprintf("rebuild-story/os:%x", rand.Uint64())
	enginetest.Busybox(t, e, base)
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Condition:           engineCondition(t, e),
		Setup: func(env *testscript.Env) error {
			prefix := fmt.Sprintf("rebuild-story-%x", rand.Uint64())
			env.Setenv("OS", base)
			env.Setenv("P", prefix)
			env.Setenv("BUILDKIT_PROGRESS", "plain")
			env.Defer(func() { removeTags(t, e, prefix) })
			env.Defer(func() { endDaemons(t, env.WorkDir) })
			return gitEnv(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fill":     fill,
			"id":       func(ts *testscript.TestScript, _ bool, args []string) { saveID(ts, e, args) },
			"sameid":   func(ts *testscript.TestScript, neg bool, args []string) { sameID(ts, e, neg, args) },
			"rmi":      func(ts *testscript.TestScript, _ bool, args []string) { removeImage(ts, e, args) },
			"damage":   damageRecord,
			"took":     took,
			"pushes":   push,
			"asked":    asked,
			"lie":      lie,
			"tag":      func(ts *testscript.TestScript, _ bool, args []string) { tagImage(ts, e, args) },
			"logged":   logged,
			"shows":    shows,
			"appears":  appears,
			"isolated": func(ts *testscript.TestScript, neg bool, _ []string) { leftIsolated(ts, e, neg) },
		},
	})
}

// engineCondition also knows, by what the engine says: [manifests]: its store keeps images by
// their manifests; [limits], [resources]: it sets limits of a step, and bounds what a step
// uses; [any-name]: it takes a file whose name is no UTF-8.
func engineCondition(t *testing.T, e *docker.Engine) func(string) (bool, error) {
	capable := func(id apicaps.CapID) func() bool {
		return sync.OnceValue(func() bool { caps := enginetest.Capabilities(t, e); return caps.Supports(id) == nil })
	}
	known := map[string]func() bool{
		"manifests": sync.OnceValue(func() bool { return enginetest.Manifests(t, e) }),
		"limits":    capable(pb.CapExecMetaUlimit),
		"resources": capable(pb.CapExecMetaLinuxResources),
		"any-name":  sync.OnceValue(func() bool { return enginetest.TakesAnyName(t, e) }),
	}
	return func(name string) (bool, error) {
		if holds, ok := known[name]; ok {
			return holds(), nil
		}
		return condition(name)
	}
}

func removeTags(t *testing.T, e *docker.Engine, prefix string) {
	ctx := context.WithoutCancel(t.Context()) // also when the test has ended
	held, err := e.Images(ctx)
	if err != nil {
		t.Errorf("cleaning up: %v", err)
		return
	}
	for _, ref := range held.Refs() {
		if strings.Contains(ref, prefix) {
			_ = e.Remove(ctx, ref) // what is in use goes with its user
		}
	}
}

// fill puts $OS, $P, $ENGINE, $BUILDER, $REGISTRY and $REFUSES into files: fill FILE...
func fill(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := strings.NewReplacer("$OS", ts.Getenv("OS"), "$P", ts.Getenv("P"), "$ENGINE", ts.Getenv("ENGINE"), "$BUILDER", ts.Getenv("BUILDER"), "$REGISTRY", ts.Getenv("REGISTRY"), "$REFUSES", ts.Getenv("REFUSES")).Replace(ts.ReadFile(name))
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
	}
}

// saveID keeps an image's id in a variable: id VAR REF
func saveID(ts *testscript.TestScript, e *docker.Engine, args []string) {
	ts.Setenv(args[0], imageID(ts, e, args[1]))
}

func imageID(ts *testscript.TestScript, e *docker.Engine, ref string) string {
	im, err := e.Inspect(context.Background(), ref)
	ts.Check(err)
	return im.ID
}

// sameID compares an image's id with one kept before: sameid VAR REF
func sameID(ts *testscript.TestScript, e *docker.Engine, neg bool, args []string) {
	if same := imageID(ts, e, args[1]) == ts.Getenv(args[0]); same == neg {
		ts.Fatalf("%s is the same image as $%s: %v", args[1], args[0], same)
	}
}

func removeImage(ts *testscript.TestScript, e *docker.Engine, args []string) {
	for _, ref := range args {
		ts.Check(e.Remove(context.Background(), ref))
	}
}

// tagImage gives an image one more tag: tag REF NEW
func tagImage(ts *testscript.TestScript, e *docker.Engine, args []string) {
	out, err := exec.Command("docker", "--host", e.Host(), "tag", imageID(ts, e, args[0]), args[1]).CombinedOutput()
	if err != nil {
		ts.Fatalf("docker tag: %v\n%s", err, out)
	}
}

// lie makes an image's record say that it was built from what is there now: lie IMAGE
func lie(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	dir := ts.MkAbs(".")
	s, err := session.Open(ctx, session.Place{Dir: dir}, session.Asked, session.Options{})
	ts.Check(err)
	defer s.Close()
	p, err := s.PlanOnline(ctx, session.Query{All: true})
	ts.Check(err)
	rec := *p.Records[args[0]]
	rec.State = p.Target.States[args[0]]
	ts.Check(openRecords(filepath.Join(s.State, "records")).Save(&rec))
}

// openRecords gives the records of the engine that was used last.
func openRecords(dir string) *record.Store { return record.Open(dir, record.LastEngine(dir)) }

// took makes an image's record say how long each of its steps took: took IMAGE SECONDS
func took(ts *testscript.TestScript, _ bool, args []string) {
	each, err := strconv.ParseFloat(args[1], 64)
	ts.Check(err)
	dir := ts.MkAbs(".git/rebuild/records")
	store := openRecords(dir)
	rec, warning := store.Load(args[0])
	if rec == nil || len(rec.Steps) == 0 {
		ts.Fatalf("%s: no steps are recorded %s", args[0], warning)
	}
	for step := range rec.Steps {
		rec.Steps[step] = each
	}
	rec.Overhead = 0.1
	ts.Check(store.Save(rec))
}

// damageRecord cuts an image's record short: damage IMAGE
func damageRecord(ts *testscript.TestScript, _ bool, args []string) {
	found, err := filepath.Glob(ts.MkAbs(".git/rebuild/records/*/" + args[0] + "*.json"))
	ts.Check(err)
	if len(found) != 1 {
		ts.Fatalf("records of %s: %q", args[0], found)
	}
	ts.Check(os.Truncate(found[0], 20))
}
