package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rebuild/impact"
)

// expectation is what BuildKit gave for two consecutive commits of a corpus.
type expectation struct {
	From, To         string
	Affected, Broken []string
}

// TestCorpora replays histories: for every two consecutive commits the plan must
// rebuild exactly the images whose id changed when BuildKit built both. One thing no
// plan can know: whether steps that run again give the files that a COPY --from takes
// the same content. Such an image is to be marked as unsure; of the 1,678 decisions in
// the histories beside the checkout it is three.
func TestCorpora(t *testing.T) {
	for _, dir := range corpora(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) { replay(t, dir) })
	}
}

// corpora finds the histories: the one in this repository, and those of real
// repositories where they lie beside the checkout.
func corpora(t testing.TB) []string {
	t.Helper()
	beside, err := filepath.Glob("../../../shared/corpus/*/expected.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	dirs := []string{ownCorpus}
	for _, file := range beside {
		dirs = append(dirs, filepath.Dir(file))
	}
	for i, dir := range dirs {
		if dirs[i], err = filepath.Abs(dir); err != nil {
			t.Fatal(err)
		}
	}
	return dirs
}

func cloneCorpus(t testing.TB, dir string) string {
	t.Helper()
	repo := filepath.Join(t.TempDir(), "repo")
	cmd := exec.Command("git", "clone", "-q", filepath.Join(dir, "history.bundle"), repo)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v\n%s", err, out)
	}
	return repo
}

func expectations(t testing.TB, dir string) []expectation {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "expected.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []expectation
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e expectation
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func replay(t *testing.T, dir string) {
	repo := cloneCorpus(t, dir)
	decisions, changed, unsure := 0, 0, 0
	for _, want := range expectations(t, dir) {
		p := planOf(t, "-C", repo, "-f", filepath.Join(dir, "docker-bake.json"), "--all", "--since", want.From, "--at", want.To)
		for _, im := range p.Images {
			decisions++
			affected, broken := slices.Contains(want.Affected, im.Name), slices.Contains(want.Broken, im.Name)
			if affected {
				changed++
			}
			rebuilt := im.Action == impact.Rebuild
			if rebuilt && !affected && !broken && im.Unsure {
				unsure++
				continue
			}
			if rebuilt != affected && !(broken && rebuilt) {
				t.Errorf("%.8s..%.8s: %s: %s, BuildKit changed it: %v (broken: %v)\n  %+v", want.From, want.To, im.Name, im.Action, affected, broken, im.Reasons)
			}
			if (im.Err != nil) != broken {
				t.Errorf("%.8s..%.8s: %s: error %v, broken for BuildKit: %v", want.From, want.To, im.Name, im.Err, broken)
			}
			if im.Err != nil && (im.Err.Path == "" || im.Err.Line == 0 && !strings.Contains(im.Err.Cause, "no such Dockerfile")) {
				t.Errorf("%.8s..%.8s: %s: error without a place: %v", want.From, want.To, im.Name, im.Err)
			}
		}
	}
	t.Logf("%d decisions, %d changed, %d saved by BuildKit's comparing what is copied", decisions, changed, unsure)
	if unsure > 3 {
		t.Errorf("%d images are rebuilt though BuildKit gave the same", unsure)
	}
}

// planOf runs "rebuild plan --format json" in this process.
func planOf(t testing.TB, args ...string) *impact.Plan {
	t.Helper()
	var out, errs bytes.Buffer
	code := execute(t.Context(), append([]string{"plan", "--format", "json"}, args...), &out, &errs)
	var p impact.Plan
	if err := json.Unmarshal(out.Bytes(), &p); err != nil || code != exitOK && code != exitUsage {
		t.Fatalf("rebuild plan %s: exit %d\n%s%s", strings.Join(args, " "), code, out.Bytes(), errs.Bytes())
	}
	return &p
}
