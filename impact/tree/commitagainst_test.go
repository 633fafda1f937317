//go:build linux

package tree

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"rebuild/impact"
)

// TestCommitAgainstBuildKit holds the digests of commits against BuildKit's, of
// their own build contexts, and the working tree in git's view against the
// commit that git makes of it.
func TestCommitAgainstBuildKit(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("go test ./impact/tree -run TestCommitAgainstBuildKit -seed %d -rounds %d", seed, *roundsFlag)
	j := newJudge(t)
	for round := range max(1, *roundsFlag/3) {
		rnd := rand.New(rand.NewPCG(seed, uint64(round)))
		t.Run(fmt.Sprint(round), func(t *testing.T) { differCommits(t, j, rnd) })
	}
}

func differCommits(t *testing.T, j *judge, rnd *rand.Rand) {
	r := newRepo(t)
	if rnd.IntN(2) == 0 {
		r.write(map[string]string{".gitignore": pick(rnd, []string{"*.md\n", "/a/b\n", "x\n!/a/x\n", "b/\n"})})
	}
	w := &writer{t, rnd, r.dir}
	for range 25 {
		w.edit()
	}
	ignore := append(randomIgnore(rnd), ".git")
	sels := randomSelections(rnd, 14)
	var all []outcome
	for range 6 {
		for range 1 + rnd.IntN(3) {
			w.edit()
		}
		os.RemoveAll(filepath.Join(r.dir, "nowhere"))
		before := r.worktree(Git)
		var dirty []*impact.Reading
		for _, sel := range sels {
			sel.Ignore.Patterns = ignore
			dirty = append(dirty, read(t, before, sel))
		}
		state := listing(t, r.dir)
		r.commit("edit")
		git, bytes, clean := r.at("HEAD", Git), r.at("HEAD", Bytes), r.worktree(Git)
		src, err := bytes.Context(t.Context(), ".")
		must(t, err)
		snap := j.receive(src, ignore)
		for i, sel := range sels {
			sel.Ignore.Patterns = ignore
			got, asBytes := read(t, git, sel), read(t, bytes, sel)
			if got.Digest != asBytes.Digest || got.Missing != asBytes.Missing {
				t.Errorf("the views of a commit differ without conversions: %+v", sel)
			}
			for when, w := range map[string]*impact.Reading{"before": dirty[i], "after": read(t, clean, sel)} {
				if w.Digest != got.Digest || got.Missing == "" && len(impact.Diff(w.Files, got.Files)) > 0 {
					t.Fatalf("working tree %s the commit: %s, commit: %s, %v\nselection %+v\nstate\n%s",
						when, w.Digest, got.Digest, impact.Diff(w.Files, got.Files), sel, state)
				}
			}
			o := outcome{state: state, sel: fmt.Sprintf("%+v", sel), ours: got.Digest, missing: got.Missing != ""}
			o.theirs, o.absent = snap.checksum(sel)
			if o.missing != o.absent {
				t.Errorf("missing %v, BuildKit says %v\nselection %s\nstate\n%s", o.missing, o.absent, o.sel, o.state)
			}
			if !o.missing {
				all = append(all, o)
			}
		}
	}
	for i, a := range all {
		for _, b := range all[:i] {
			if (a.ours == b.ours) != (a.theirs == b.theirs) {
				t.Fatalf("ours equal: %v, BuildKit's equal: %v\n%s\nstate\n%s\n%s\nstate\n%s",
					a.ours == b.ours, a.theirs == b.theirs, b.sel, b.state, a.sel, a.state)
			}
		}
	}
}
