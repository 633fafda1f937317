//go:build linux

package tree

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tonistiigi/fsutil"

	"rebuild/impact"
)

var (
	seedFlag   = flag.Uint64("seed", 0, "seed of the differential test; 0: the time")
	roundsFlag = flag.Int("rounds", 6, "random trees of the differential test")
)

// TestAgainstBuildKit holds digests against BuildKit's own content hash: for random
// trees, random edits and random selections, two of ours are equal exactly when
// BuildKit's are, and a selection is missing exactly when BuildKit fails of it. No link
// here goes back up through another link: there BuildKit's digest and its copy
// disagree with each other.
func TestAgainstBuildKit(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("go test ./impact/tree -run TestAgainstBuildKit -seed %d -rounds %d", seed, *roundsFlag)
	j := newJudge(t)
	for round := range *roundsFlag {
		rnd := rand.New(rand.NewPCG(seed, uint64(round)))
		t.Run(fmt.Sprint(round), func(t *testing.T) { differ(t, j, rnd) })
	}
}

type outcome struct {
	state, sel string
	but        string // the selection but for its path
	ours       impact.Digest
	missing    bool
	theirs     string
	absent     bool
}

func differ(t *testing.T, j *judge, rnd *rand.Rand) {
	dir := t.TempDir()
	w := &writer{t, rnd, dir}
	for range 25 {
		w.edit()
	}
	ignore := randomIgnore(rnd)
	sels := randomSelections(rnd, 14)
	var all []outcome
	for state := range 9 {
		if state > 0 {
			for range rnd.IntN(3) {
				w.edit()
			}
		}
		tree, err := Folder(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		src, err := fsutil.NewFS(dir)
		if err != nil {
			t.Fatal(err)
		}
		snap := j.receive(src, ignore)
		for _, sel := range sels {
			sel.Ignore.Patterns = ignore
			r, err := tree.Read(t.Context(), sel)
			if err != nil {
				t.Fatalf("%+v: %v", sel, err)
			}
			but := sel
			but.Path = ""
			o := outcome{state: listing(t, dir), sel: fmt.Sprintf("%+v", sel), but: fmt.Sprintf("%+v", but), ours: r.Digest, missing: r.Missing != ""}
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
			if a.sel == b.sel && (a.ours == b.ours) != (a.theirs == b.theirs) {
				t.Fatalf("ours equal: %v, BuildKit's equal: %v\nselection %s\nstate\n%s\nstate\n%s",
					a.ours == b.ours, a.theirs == b.theirs, a.sel, b.state, a.state)
			}
		}
	}
	// A copy's source may be renamed between two operations that are else equal
	// (only its last name is part of one), so digests must agree there too. Where more than
	// the path differs, the operation does, and digests that differ cost nothing.
	for i, a := range all {
		for _, b := range all[:i] {
			if (a.ours == b.ours) != (a.theirs == b.theirs) && (a.ours == b.ours || a.but == b.but) {
				t.Fatalf("across selections: ours equal: %v, BuildKit's equal: %v\n%s\nstate\n%s\n%s\nstate\n%s",
					a.ours == b.ours, a.theirs == b.theirs, b.sel, b.state, a.sel, a.state)
			}
		}
	}
}

var (
	names    = []string{"a", "b", "c", "x", "x.txt", "y.md", "b.txt", "l", "m", "n o", "é"}
	contents = []string{"", "1", "22", "333\n", "1\r\n"}
	links    = []string{"a", "b", "x", "/a", "/a/b", "../x", "../../a", "./x", "l", "m", "/", "nowhere", "../l/a", "x.txt", ".."}
)

func pick[T any](rnd *rand.Rand, s []T) T { return s[rnd.IntN(len(s))] }

// writer makes random edits to a folder.
type writer struct {
	t   *testing.T
	rnd *rand.Rand
	dir string
}

func (w *writer) path() string {
	depth := 1 + w.rnd.IntN(3)
	parts := []string{w.dir}
	for range depth {
		parts = append(parts, pick(w.rnd, names))
	}
	return filepath.Join(parts...)
}

// edit changes one path; edits that make no sense are left out.
func (w *writer) edit() {
	p := w.path()
	if real, err := filepath.EvalSymlinks(filepath.Dir(p)); err == nil && real != filepath.Dir(p) {
		return // through a link, perhaps out of the folder
	}
	os.MkdirAll(filepath.Dir(p), 0o755)
	fi, err := os.Lstat(p)
	switch k := w.rnd.IntN(12); {
	case k < 5:
		if err == nil && fi.IsDir() {
			os.RemoveAll(p)
		}
		if err == nil && fi.Mode()&os.ModeSymlink != 0 {
			os.Remove(p)
		}
		os.WriteFile(p, []byte(pick(w.rnd, contents)), 0o644)
	case k < 7:
		os.RemoveAll(p)
		os.Symlink(pick(w.rnd, links), p)
	case k == 7:
		os.RemoveAll(p)
	case k == 8 && err == nil && fi.Mode()&os.ModeSymlink == 0:
		os.Chmod(p, pick(w.rnd, []os.FileMode{0o644, 0o755, 0o600, 0o700, 0o4755, 0o1777}))
	case k == 9 && err == nil:
		other := filepath.Join(filepath.Dir(p), pick(w.rnd, names))
		if other != p {
			os.RemoveAll(other)
			os.Rename(p, other)
		}
	case k == 10 && err != nil:
		os.Mkdir(p, 0o755)
	case k == 11 && err == nil:
		// A copy of a whole path, so that equal content turns up elsewhere.
		other := filepath.Join(w.dir, pick(w.rnd, names))
		if !within(p, other) && !within(other, p) {
			os.RemoveAll(other)
			copyAll(p, other)
		}
	}
}

func copyAll(from, to string) {
	fi, err := os.Lstat(from)
	if err != nil {
		return
	}
	switch {
	case fi.IsDir():
		os.Mkdir(to, fi.Mode().Perm())
		kids, _ := os.ReadDir(from)
		for _, k := range kids {
			copyAll(filepath.Join(from, k.Name()), filepath.Join(to, k.Name()))
		}
	case fi.Mode()&os.ModeSymlink != 0:
		text, _ := os.Readlink(from)
		os.Symlink(text, to)
	default:
		data, _ := os.ReadFile(from)
		os.WriteFile(to, data, fi.Mode().Perm())
		os.Chmod(to, fi.Mode())
	}
}

func listing(t *testing.T, dir string) string {
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "  %s %s", fi.Mode(), p[len(dir)+1:])
		if text, err := os.Readlink(p); err == nil {
			fmt.Fprintf(&b, " -> %s", text)
		} else if data, err := os.ReadFile(p); err == nil {
			fmt.Fprintf(&b, " %q", data)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func randomIgnore(rnd *rand.Rand) []string {
	if rnd.IntN(3) == 0 {
		return nil
	}
	pool := []string{"*.md", "**/*.md", "a", "a/b", "!a/b", "!a/b/x", "**", "*", "!a", "!**/x", "b*", "a/*", "!a/b/**", "l", "[bc]", "!c", "x", "**/b", "!b/*", "a/**", "é"}
	var out []string
	for range 1 + rnd.IntN(4) {
		out = append(out, pick(rnd, pool))
	}
	return out
}

func randomSelections(rnd *rand.Rand, n int) []impact.Selection {
	paths := []string{"/", "/a", "/b", "/a/b", "/a/x", "/x", "/x.txt", "/l", "/m", "/l/x", "/l/b", "/m/l", "/nowhere", "/c", "/a/../b"}
	wild := []string{"/*", "/*.md", "/a/*", "/a/*.txt", "/l/*", "/*/x", "/*/b", "/?", "/[ab]", "/[^a]", "/a/b/*", "/nowhere/*", "/m/*", "/*/*", "/x*", "/x/*", "/*.t?t", "/l*", `/\*`, "/a[^b]x"}
	include := []string{"a/x", "a/**/x", "*/x", "**/x", "a", "b/**", "l/x", "x*", "*/b/x", "a/b"}
	exclude := []string{"*.md", "b", "**/x", "x", "!b", "a/b", "**", "!**/x", "*/b", "l", "é"}
	some := func(pool []string, n int) (out []string) {
		for range 1 + rnd.IntN(n) {
			out = append(out, pick(rnd, pool))
		}
		return out
	}
	var sels []impact.Selection
	for range n {
		sel := impact.Selection{Context: ".", Follow: rnd.IntN(6) > 0}
		switch rnd.IntN(7) {
		case 0, 1:
			sel.Path = pick(rnd, paths)
		case 2, 3:
			sel.Path, sel.Wildcard = pick(rnd, wild), true
		case 4:
			sel.Path, sel.Exclude = pick(rnd, paths), some(exclude, 2)
		case 5:
			sel.Path, sel.Wildcard, sel.Exclude = pick(rnd, wild), true, some(exclude, 2)
		case 6:
			sel.Path, sel.Include = pick(rnd, []string{"/", "/", "/a", "/l"}), some(include, 1)
			if rnd.IntN(2) == 0 {
				sel.Exclude = some(exclude, 1)
			}
			if sel.Path == "/" && !impact.HasWildcard(sel.Include[0]) {
				sel.Required = []string{"/" + sel.Include[0]}
			}
		}
		sels = append(sels, sel)
	}
	return slices.Clip(sels)
}
