package catalog

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rebuild/impact"
)

// folder is a tree of files on the disk.
type folder string

func (f folder) ReadFile(_ context.Context, name string) ([]byte, error) {
	if slices.Contains(composeNames, name) { // whose content a corpus does not have
		return nil, fs.ErrNotExist
	}
	return os.ReadFile(filepath.Join(string(f), name))
}

func (f folder) ReadDir(_ context.Context, dir string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(filepath.Join(string(f), dir))
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() == ".git" }), err
}

// bakeTruth is a corpus' own definition.
type bakeTruth struct {
	Target map[string]struct {
		Context, Dockerfile string
		Tags                []string
		Contexts, Args      map[string]string
	}
}

// corpora are histories of repositories with their definitions: the first lies in
// this repository, the others are those of real ones, beside the checkout.
var corpora = []string{"five-images", "cp-whisperx-app", "docker-stacks", "gatk-sv"}

// corpusFile finds a file of a corpus.
func corpusFile(t *testing.T, corpus, name string) string {
	t.Helper()
	dir := "../../../shared/corpus"
	if corpus == corpora[0] {
		dir = "../../cmd/rebuild/testdata/corpus"
	}
	file, err := filepath.Abs(filepath.Join(dir, corpus, name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		if corpus == corpora[0] {
			t.Fatal(err)
		}
		t.Skipf("the corpus is not here: %v", err)
	}
	return file
}

func readTruth(t *testing.T, corpus string) bakeTruth {
	t.Helper()
	data, err := os.ReadFile(corpusFile(t, corpus, "docker-bake.json"))
	if err != nil {
		t.Fatal(err)
	}
	var truth bakeTruth
	if err := json.Unmarshal(data, &truth); err != nil {
		t.Fatal(err)
	}
	return truth
}

// TestDiscoverCorpus finds the images of repositories, at several commits of their
// histories, and holds them against the definitions that these have: what is
// not said to be ambiguous must be right.
func TestDiscoverCorpus(t *testing.T) {
	for _, corpus := range corpora {
		t.Run(corpus, func(t *testing.T) {
			truth := readTruth(t, corpus)
			dir := t.TempDir()
			git := func(args ...string) string {
				out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput()
				if err != nil {
					t.Fatalf("git %v: %v\n%s", args, err, out)
				}
				return string(out)
			}
			git("clone", "-q", corpusFile(t, corpus, "history.bundle"), ".")
			commits := strings.Fields(git("log", "--first-parent", "--format=%H"))
			for i := 0; i < len(commits); i += 6 {
				git("checkout", "-q", commits[i])
				discoverAgainst(t, folder(dir), truth, commits[i][:7])
			}
		})
	}
}

func discoverAgainst(t *testing.T, tree folder, truth bakeTruth, commit string) {
	cat, err := Load(context.Background(), tree, Options{Root: "/r/repo", Env: none})
	if err != nil {
		t.Fatal(err)
	}
	byFile := map[string]impact.Image{}
	for _, im := range cat.Images {
		byFile[im.Dockerfile] = im
	}
	contexts, unread, ambiguous, edges := 0, 0, 0, 0
	for name, target := range truth.Target {
		file := path.Join(target.Context, target.Dockerfile)
		if _, err := os.Stat(filepath.Join(string(tree), file)); err != nil || len(target.Contexts) > 0 {
			continue // not there yet, or derived
		}
		im, ok := byFile[file]
		if !ok {
			t.Errorf("%s: %s: %s is not found", commit, name, file)
			continue
		}
		switch {
		case strings.Contains(im.Origin, "ambiguous"):
			ambiguous++
		case strings.Contains(im.Origin, "reads nothing"):
			unread++
		case im.Context != target.Context:
			t.Errorf("%s: %s: context %s, want %s: %s", commit, name, im.Context, target.Context, im.Origin)
		default:
			contexts++
		}
		if strings.Contains(im.Origin, "named by") && !truth.sameTags(im.Refs, target.Tags) {
			t.Errorf("%s: %s: tags %v, want %v: %s", commit, name, im.Tags, target.Tags, im.Origin)
		}
		edges += checkEdges(t, tree, truth, cat, im, target.Args, commit+": "+name)
	}
	t.Logf("%s: %d images of %d: %d contexts right, %d not read, %d ambiguous, %d edges right; %d warnings", commit, len(cat.Images), len(truth.Target), contexts, unread, ambiguous, edges, len(cat.Warnings))
}

// known tells whether some image of the truth has a reference: the definition is
// that of a corpus' last commit, and an earlier one may have called images
// otherwise. A tag that only a caller gives is not known to a Dockerfile.
func (truth bakeTruth) known(ref string) bool {
	for _, name := range sortedKeys(truth.Target) {
		if slices.ContainsFunc(truth.Target[name].Tags, func(tag string) bool {
			return canonical(tag) == ref || canonical(strings.TrimSuffix(tag, ":t")) == ref
		}) {
			return true
		}
	}
	return false
}

// sameTags tells whether the references that the truth knows are those of an image.
func (truth bakeTruth) sameTags(refs, tags []string) bool {
	for _, ref := range refs {
		if truth.known(ref) && !slices.ContainsFunc(tags, func(tag string) bool {
			return canonical(tag) == ref || strings.HasSuffix(tag, ":t") && canonical(strings.TrimSuffix(tag, ":t")) == ref
		}) {
			return false
		}
	}
	return true
}

// checkEdges holds the parents of an image against those of the truth, by
// Dockerfile, and counts those that are right.
func checkEdges(t *testing.T, tree folder, truth bakeTruth, cat impact.Catalog, im impact.Image, args map[string]string, where string) int {
	t.Helper()
	text, err := tree.ReadFile(context.Background(), im.Dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	r, err := readRecipe(text, nil)
	if err != nil {
		return 0
	}
	right := 0
	for _, ref := range r.refs {
		for _, parent := range cat.Images {
			if !slices.Contains(parent.Refs, canonical(ref.text)) || !truth.known(canonical(ref.text)) {
				continue
			}
			found := false
			for _, target := range truth.Target {
				if path.Join(target.Context, target.Dockerfile) == parent.Dockerfile {
					found = found || slices.ContainsFunc(target.Tags, func(tag string) bool {
						bare := strings.TrimSuffix(tag, ":t")
						return canonical(tag) == canonical(ref.text) || canonical(bare) == canonical(ref.text) || slices.Contains(sortedValues(args), tag)
					})
				}
			}
			if !found && slices.ContainsFunc(sortedTargets(truth), func(file string) bool { return file == parent.Dockerfile }) {
				t.Errorf("%s reads %s, which is not %s", where, ref.text, parent.Dockerfile)
			}
			right++
		}
	}
	return right
}

func sortedValues(m map[string]string) []string {
	var out []string
	for _, k := range sortedKeys(m) {
		out = append(out, m[k])
	}
	return out
}

func sortedTargets(truth bakeTruth) []string {
	var out []string
	for _, name := range sortedKeys(truth.Target) {
		out = append(out, path.Join(truth.Target[name].Context, truth.Target[name].Dockerfile))
	}
	return out
}
