package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestRecordStories are stories of scripts that are recorded. The real docker of a story
// is one that says what it was called with.
func TestRecordStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/record",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("DOCKER_HOST", "unix://"+env.WorkDir+"/no-engine.sock")
			real := filepath.Join(env.WorkDir, ".real")
			if err := os.Mkdir(real, 0o755); err != nil {
				return err
			}
			env.Setenv("REAL", real)
			env.Setenv("PATH", real+string(filepath.ListSeparator)+env.Getenv("PATH"))
			const text = "#!/bin/sh\necho \"real ${0##*/}: $*\" >&2\n"
			if err := os.WriteFile(filepath.Join(real, "docker"), []byte(text), 0o755); err != nil {
				return err
			}
			return gitEnv(env)
		},
	})
}

// recordedFolder is a copy of the example that a script builds, in git.
func recordedFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/scripted-pipeline")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "build-all.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("DOCKER_HOST", "unix://"+dir+"/no-engine.sock")
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "-qm", "one"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	return dir
}

// TestRecordedPlan: a recording of the example's script gives all of its 21 images, and
// plans as the definition that a person would write, layer by layer.
func TestRecordedPlan(t *testing.T) {
	dir, bin := recordedFolder(t), program(t)
	run := func(args ...string) []byte {
		t.Helper()
		cmd := exec.Command(bin, args...)
		cmd.Dir = dir
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("rebuild %v: %v\n%s%s", args, err, out, stderr.String())
		}
		return out
	}
	began := time.Now()
	run("record", "--", "./build-all.sh")
	t.Logf("recorded in %v", time.Since(began))
	byHand, err := os.ReadFile("testdata/scripted-pipeline.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "by-hand.yaml"), byHand, 0o644); err != nil {
		t.Fatal(err)
	}
	// What a plan compares is different here: shared code, a base, the text of one stage.
	for _, name := range []string{"shared/log.sh", "requirements/ml.txt", "docker/songs/Dockerfile", "docker/base-cpu/Dockerfile"} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		changed := append(text, "RUN true\n"...)
		if !strings.HasSuffix(name, "Dockerfile") {
			changed = append(text, "# more\n"...)
		}
		if err := os.WriteFile(file, changed, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// Held against the commit, where neither file is: both sides are the images of the file.
	plan := func(file string) []any {
		var p struct {
			Images []map[string]any `json:"images"`
			Phases []any            `json:"phases"`
		}
		if err := json.Unmarshal(run("plan", "-f", file, "--since", "HEAD", "--format", "json"), &p); err != nil {
			t.Fatal(err)
		}
		if len(p.Images) != 21 || len(p.Phases) != 4 {
			t.Errorf("%s: %d images in %d phases", file, len(p.Images), len(p.Phases))
		}
		layers, rebuilt := 0, 0
		var out []any
		for _, im := range p.Images {
			list, _ := im["layers"].([]any)
			layers += len(list)
			if im["action"] == "rebuild" {
				rebuilt++
			}
			out = append(out, im)
		}
		t.Logf("%s: %d layers, %d images rebuilt", file, layers, rebuilt)
		if layers < 60 || rebuilt < 10 {
			t.Errorf("%s: %d layers in plans, %d images rebuilt: too few to compare", file, layers, rebuilt)
		}
		return append(out, p.Phases)
	}
	recorded, wanted := plan("rebuild.yaml"), plan("by-hand.yaml")
	for i, want := range wanted {
		if !reflect.DeepEqual(recorded[i], want) {
			got, _ := json.MarshalIndent(recorded[i], "", " ")
			text, _ := json.MarshalIndent(want, "", " ")
			t.Errorf("recorded: %s\nby hand: %s", got, text)
		}
	}
}

// BenchmarkRecord is the example's script under record, and with a docker that does nothing:
// the difference is what a recording costs.
func BenchmarkRecord(b *testing.B) {
	bin := program(b)
	dir := b.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/scripted-pipeline")); err != nil {
		b.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "build-all.sh"), 0o755); err != nil {
		b.Fatal(err)
	}
	fake := b.TempDir()
	if err := os.WriteFile(filepath.Join(fake, "docker"), []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		b.Fatal(err)
	}
	b.Setenv("PATH", fake+string(filepath.ListSeparator)+os.Getenv("PATH"))
	for name, args := range map[string][]string{"recorded": {bin, "record", "-o", "-", "--", "./build-all.sh"}, "alone": {"./build-all.sh"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				cmd := exec.Command(args[0], args[1:]...)
				if args[0] != bin {
					cmd.Path = filepath.Join(dir, args[0])
				}
				cmd.Dir = dir
				if out, err := cmd.CombinedOutput(); err != nil && args[0] == bin { // alone, "docker images" has nothing for grep
					b.Fatalf("%v\n%s", err, out)
				}
			}
		})
	}
}
