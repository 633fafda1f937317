package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rebuild/docker"
	"rebuild/docker/enginetest"
	"rebuild/impact"
)

var wholeWalk = flag.Bool("walk", false, "walk every commit of the corpora, not a part of each")

// walked is how many commits of each corpus are walked without -walk.
const walked = 6

// TestWalk walks histories on a real engine: at each commit rebuild brings
// the images up to date with what the last one left, and then each image must be
// the one that a build of everything gives.
func TestWalk(t *testing.T) {
	e := enginetest.Connect(t)
	bin := program(t)
	for _, dir := range corpora(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) { walk(t, e, bin, dir) })
	}
}

func walk(t *testing.T, e *docker.Engine, bin, dir string) {
	repo := cloneCorpus(t, dir)
	stubs(t, e, dir)
	wanted := expectations(t, dir)
	commits := []string{wanted[0].From}
	for _, w := range wanted {
		commits = append(commits, w.To)
	}
	if !*wholeWalk {
		commits = commits[len(commits)-walked:]
	}
	args := []string{"-C", repo, "-f", filepath.Join(dir, "docker-bake.json"), "--all"}
	records := filepath.Join(repo, ".git", "rebuild", "records")
	for _, commit := range commits {
		git(t, repo, "checkout", "-q", "-f", commit)
		git(t, repo, "clean", "-qfdx")
		plan := planOf(t, args...)
		enginetest.Cleanup(t, e, tagsOf(plan)...)
		bring(t, bin, args)
		built := idsOf(t, e, plan)

		saved := records + ".saved"
		move(t, records, saved)
		bring(t, bin, args)
		all := idsOf(t, e, plan)
		for name, id := range all {
			if built[name] != id {
				t.Errorf("%.8s: %s is %s, a build of everything gives %s (it was planned: %s, %+v)", commit, name, built[name], id, plan.Image(name).Action, plan.Image(name).Reasons)
			}
		}
		if err := os.RemoveAll(records); err != nil {
			t.Fatal(err)
		}
		move(t, saved, records)
	}
}

// bring runs rebuild; images that cannot be built make it exit with 1.
func bring(t *testing.T, bin string, args []string) {
	t.Helper()
	cmd := exec.Command(bin, append([]string{"--progress", "plain"}, args...)...)
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != exitOK && code != exitFailed {
		t.Fatalf("rebuild: %v\n%s", err, out)
	}
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func git(t testing.TB, repo string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", repo}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func tagsOf(p *impact.Plan) []string {
	var tags []string
	for _, im := range p.Images {
		tags = append(tags, im.Tags...)
	}
	return tags
}

// idsOf gives the images that can be built, by name.
func idsOf(t *testing.T, e *docker.Engine, p *impact.Plan) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for _, im := range p.Images {
		if im.Err != nil {
			continue
		}
		found, err := e.Inspect(t.Context(), im.Tags[0])
		if err != nil {
			t.Errorf("%s: %v", im.Name, err)
			continue
		}
		ids[im.Name] = found.ID
	}
	return ids
}

// stubs tags a stub image with each reference from outside that a corpus names.
func stubs(t *testing.T, e *docker.Engine, dir string) {
	t.Helper()
	stub := fmt.Sprintf("rebuild-walk/stub:%d", os.Getpid())
	enginetest.Stub(t, e, stub)
	im, err := e.Inspect(t.Context(), stub)
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range external(t, dir) {
		enginetest.Tag(t, e, im.ID, ref)
		enginetest.Cleanup(t, e, ref)
	}
}

// external gives the references from outside that a corpus names.
func external(t *testing.T, dir string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct{ External []string }
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	bake, err := os.ReadFile(filepath.Join(dir, "docker-bake.json"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(manifest.External, func(ref string) bool {
		_, err := docker.NormalRef(ref)
		// Not a reference, an image of the corpus itself, or a stage.
		return err != nil || bytes.Contains(bake, []byte(`"`+ref+`"`)) || slices.Contains([]string{"0", "base", "build"}, ref)
	})
}
