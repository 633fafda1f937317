package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rebuild/docker"
	"rebuild/docker/enginetest"
)

// ownCorpus is the one that lies in this repository. Its history.sh writes its
// history, TestTruth its truth.
const ownCorpus = "testdata/corpus/five-images"

// truth is a line of expected.jsonl.
type truth struct {
	From     string              `json:"from"`
	To       string              `json:"to"`
	Affected []string            `json:"affected"`
	Broken   []string            `json:"broken"`
	Steps    map[string][]string `json:"steps"`
}

// TestTruth has buildx build each commit of the corpus that lies here, on bases that
// nothing was ever built on, and holds the truth of the corpus against what came out.
// Nothing of ours takes part. With -update it writes the truth.
func TestTruth(t *testing.T) {
	if !*wholeWalk {
		t.Skip("builds each commit: with -walk")
	}
	e := enginetest.Connect(t)
	repo := cloneCorpus(t, ownCorpus)
	j := newTruthJudge(t, e, repo)
	j.freshStubs(t)
	var lines []truth
	var before truthBuild
	for _, commit := range strings.Fields(output(t, "git", "-C", repo, "log", "--first-parent", "--reverse", "--format=%H")) {
		git(t, repo, "checkout", "-q", "-f", commit)
		now := j.build(t)
		if again := j.build(t); !maps.Equal(now.ids, again.ids) {
			t.Fatalf("%.8s: built twice: %v, %v", commit, now.ids, again.ids)
		}
		if now.commit = commit; before.commit != "" {
			lines = append(lines, compareTruth(before, now))
			for _, name := range lines[len(lines)-1].Broken {
				t.Logf("%.8s: %s: %s", commit, name, now.broken[name])
			}
		}
		before = now
	}
	file := filepath.Join(ownCorpus, "expected.jsonl")
	if *update {
		writeTruth(t, file, lines)
		return
	}
	wanted := expectations(t, ownCorpus)
	if len(wanted) != len(lines) {
		t.Fatalf("%d lines of truth for %d pairs of commits", len(wanted), len(lines))
	}
	for i, want := range wanted {
		got := lines[i]
		if want.From != got.From || want.To != got.To || !reflect.DeepEqual(want.Affected, got.Affected) || !reflect.DeepEqual(want.Broken, got.Broken) {
			t.Errorf("%.8s..%.8s: affected %v, broken %v; the engine says affected %v, broken %v", got.From, got.To, want.Affected, want.Broken, got.Affected, got.Broken)
		}
	}
}

// truthBuild is what a build of everything at one commit gave.
type truthBuild struct {
	commit string
	ids    map[string]string
	steps  map[string][]string
	broken map[string]string // what buildx said last
}

// compareTruth says what became of the images between two commits. One that was
// broken and builds now is affected.
func compareTruth(before, now truthBuild) truth {
	line := truth{From: before.commit, To: now.commit, Affected: []string{}, Broken: []string{}, Steps: map[string][]string{}}
	for _, name := range slices.Sorted(maps.Keys(now.ids)) {
		switch id := now.ids[name]; {
		case id == "":
			line.Broken = append(line.Broken, name)
		case id != before.ids[name]:
			line.Affected = append(line.Affected, name)
			line.Steps[name] = now.steps[name]
		}
	}
	return line
}

func writeTruth(t *testing.T, file string, lines []truth) {
	t.Helper()
	var text bytes.Buffer
	to := json.NewEncoder(&text)
	to.SetEscapeHTML(false)
	for _, line := range lines {
		if err := to.Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// truthJudge builds the images of a corpus with buildx.
type truthJudge struct {
	engine       *docker.Engine
	buildx, repo string
	targets      map[string]truthTarget
	order        []string // of the targets: as they could be built last
}

type truthTarget struct {
	Context, Dockerfile string
	Tags                []string
	Args                map[string]string
}

func newTruthJudge(t *testing.T, e *docker.Engine, repo string) *truthJudge {
	t.Helper()
	j := &truthJudge{engine: e, repo: repo}
	var err error
	if j.buildx, err = exec.LookPath("buildx"); err != nil {
		t.Fatalf("this test needs buildx on the PATH (.ci/setup buildx): %v", err)
	}
	data, err := os.ReadFile(filepath.Join(ownCorpus, "docker-bake.json"))
	if err != nil {
		t.Fatal(err)
	}
	var definition struct{ Target map[string]truthTarget }
	if err := json.Unmarshal(data, &definition); err != nil {
		t.Fatal(err)
	}
	j.targets, j.order = definition.Target, slices.Sorted(maps.Keys(definition.Target))
	for _, target := range j.targets {
		enginetest.Cleanup(t, e, target.Tags...)
	}
	return j
}

// build builds all images, parents first: no tag is there before, and it tries those
// that failed again for as long as one more is built. The id of a broken one is empty.
func (j *truthJudge) build(t *testing.T) truthBuild {
	t.Helper()
	b := truthBuild{ids: map[string]string{}, steps: map[string][]string{}, broken: map[string]string{}}
	for name, target := range j.targets {
		b.ids[name] = ""
		_ = j.engine.Remove(t.Context(), target.Tags[0]) // it may never have been built
	}
	var built []string
	waiting := j.order
	for more := true; more; {
		more = false
		var failed []string
		for _, name := range waiting {
			if j.one(t, &b, name) {
				built, more = append(built, name), true
			} else {
				failed = append(failed, name)
			}
		}
		waiting = failed
	}
	j.order = append(built, waiting...)
	return b
}

// one builds an image, if it can be built, and notes its id and the steps that ran.
func (j *truthJudge) one(t *testing.T, b *truthBuild, name string) bool {
	t.Helper()
	target, id := j.targets[name], filepath.Join(t.TempDir(), "id")
	args := []string{"--iidfile", id, "-t", target.Tags[0], "-f", filepath.Join(target.Context, target.Dockerfile)}
	for _, arg := range slices.Sorted(maps.Keys(target.Args)) {
		args = append(args, "--build-arg", arg+"="+target.Args[arg])
	}
	out, err := j.command(t, append(args, target.Context)...).CombinedOutput()
	if err != nil {
		b.broken[name] = lastLine(out)
		return false
	}
	data, err := os.ReadFile(id)
	if err != nil {
		t.Fatal(err)
	}
	b.ids[name], b.steps[name] = string(data), ranSteps(out)
	return true
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

var (
	stepName = regexp.MustCompile(`(?m)^#(\d+) (\[.*\] .*)$`)
	stepDone = regexp.MustCompile(`(?m)^#(\d+) DONE `)
)

// ranSteps reads what ran out of the plain progress: all that is done and was not
// cached, but for what each build does.
func ranSteps(out []byte) []string {
	done := map[string]bool{}
	for _, m := range stepDone.FindAllStringSubmatch(string(out), -1) {
		done[m[1]] = true
	}
	steps := []string{}
	for _, m := range stepName.FindAllStringSubmatch(string(out), -1) {
		if done[m[1]] && !strings.HasPrefix(m[2], "[internal]") && !strings.Contains(m[2], "] FROM ") && !slices.Contains(steps, m[2]) {
			steps = append(steps, m[2])
		}
	}
	return steps
}

// freshStubs tags an image that was never there before with each reference from
// outside, so that no earlier run's cache can answer.
func (j *truthJudge) freshStubs(t *testing.T) {
	t.Helper()
	stubs(t, j.engine, ownCorpus)
	fresh := fmt.Sprintf("rebuild-truth/stub:%d", os.Getpid())
	enginetest.Cleanup(t, j.engine, fresh)
	for _, ref := range external(t, ownCorpus) {
		cmd := j.command(t, "--no-cache", "-t", fresh, "-")
		cmd.Stdin = strings.NewReader("FROM " + ref + "\nRUN mktemp /stub.XXXXXX\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("buildx: %v\n%s", err, out)
		}
		im, err := j.engine.Inspect(t.Context(), fresh)
		if err != nil {
			t.Fatal(err)
		}
		enginetest.Tag(t, j.engine, im.ID, ref)
	}
}

// command is a build by the engine's own BuildKit.
func (j *truthJudge) command(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), j.buildx, append([]string{"build", "--builder", "default", "--progress", "plain"}, args...)...)
	cmd.Dir = j.repo
	return cmd
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return string(out)
}
