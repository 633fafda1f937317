//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func (s *soak) git(t testing.TB, args ...string) {
	t.Helper()
	git(t, s.checkout.dir, args...)
}

// gitMay runs git, which may refuse.
func (s *soak) gitMay(args ...string) bool {
	return exec.Command("git", append([]string{"-C", s.checkout.dir}, args...)...).Run() == nil
}

func (s *soak) commit(t *testing.T) {
	s.did("commit", "")
	s.write(t)
	s.git(t, "add", "-A")
	s.git(t, "commit", "-q", "--allow-empty", "-m", fmt.Sprint(s.edits))
}

// back is a revision some commits ago.
func (s *soak) back() string {
	for n := 1 + s.r.IntN(4); n > 0; n-- {
		if rev := fmt.Sprintf("HEAD~%d", n); s.gitMay("rev-parse", "-q", "--verify", rev) {
			return rev
		}
	}
	return "HEAD"
}

// thereAndBack looks at an older commit, and mostly comes back.
func (s *soak) thereAndBack(t *testing.T) {
	s.commit(t)
	rev := s.back()
	stay := s.r.IntN(4) == 0
	s.did("branch", "to %s, stays: %v", rev, stay)
	s.edits++
	if stay {
		s.git(t, "checkout", "-q", rev, "--", ".")
		s.readBack(t)
		return
	}
	s.git(t, "checkout", "-q", "--detach", rev)
	s.pace(t)
	s.git(t, "checkout", "-q", "main")
	s.readBack(t)
}

func (s *soak) stash(t *testing.T) {
	s.commit(t)
	for range 1 + s.r.IntN(3) {
		s.edit(t)
	}
	s.did("stash", "")
	if !s.gitMay("stash", "-u", "-q") {
		return // an edit that git does not see
	}
	s.pace(t)
	if s.gitMay("rev-parse", "-q", "--verify", "refs/stash") {
		s.git(t, "stash", "pop", "-q")
	}
	s.did("stash pop", "")
	s.readBack(t)
}

// aside makes a branch with some commits from an older one, and goes back to main.
func (s *soak) aside(t *testing.T) {
	s.commit(t)
	s.git(t, "checkout", "-q", "-B", "aside", s.back())
	s.readBack(t)
	for range 1 + s.r.IntN(3) {
		s.edit(t)
		s.commit(t)
	}
}

// rebase puts a branch's commits on top of main, which then stands there.
func (s *soak) rebase(t *testing.T) {
	s.aside(t)
	s.did("rebase", "")
	if !s.gitMay("rebase", "-q", "-X", "theirs", "main") {
		s.did("rebase", "is given up")
		s.git(t, "rebase", "--abort")
	}
	s.git(t, "checkout", "-q", "-B", "main")
	s.readBack(t)
}

// merge takes a branch into main.
func (s *soak) merge(t *testing.T) {
	s.aside(t)
	s.git(t, "checkout", "-q", "main")
	s.pace(t)
	s.did("merge", "")
	if !s.gitMay("merge", "-q", "-X", "theirs", "--no-edit", "aside") {
		s.did("merge", "is given up")
		s.git(t, "merge", "--abort")
	}
	s.readBack(t)
}

// readBack takes the repository for what it is on disk: git knows no empty folders,
// only one bit of modes, and merges texts.
func (s *soak) readBack(t *testing.T) {
	t.Helper()
	c := s.checkout
	next := s.now.clone()
	next.files = map[string]sketchFile{}
	unfill := strings.NewReplacer(c.osRef(), "$OS", c.prefix, "$P")
	definition, _ := next.definition()
	check(t, filepath.WalkDir(c.dir, func(full string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(c.dir, full)
		if err != nil || name == "." {
			return err
		}
		if name == ".git" {
			return fs.SkipDir
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		f := sketchFile{mode: fi.Mode()}
		switch fi.Mode().Type() {
		case fs.ModeDir:
			if in, err := os.ReadDir(full); err != nil || len(in) > 0 {
				return err
			}
		case fs.ModeSymlink:
			f.data, err = os.Readlink(full)
		default:
			var data []byte
			data, err = os.ReadFile(full)
			f.data = unfill.Replace(string(data))
		}
		next.files[name] = f
		return err
	}))
	on := next.files
	next.files = map[string]sketchFile{}
	for name, f := range on {
		if name != definition {
			next.files[name] = f
		}
	}
	next.readDefinition(on[definition].data)
	c.on = on
	s.now = next
	s.edits++
	s.write(t) // the definition, when it was merged into none
}

// readDefinition takes the images from the definition's text. From one that cannot be
// read it takes none: the sketch keeps those that it has.
func (s *sketch) readDefinition(text string) {
	key := "target"
	if !s.bake {
		first, rest, _ := strings.Cut(text, "\n")
		if note, ok := strings.CutPrefix(first, "# "); ok {
			s.note, text = note, rest
		}
		key = "images"
	}
	var file map[string]map[string]sketchImage
	if json.Unmarshal([]byte(text), &file) != nil || len(file[key]) == 0 {
		return
	}
	s.images = nil
	for _, name := range slices.Sorted(maps.Keys(file[key])) {
		im := file[key][name]
		im.name = name
		for _, m := range []*map[string]string{&im.Args, &im.Contexts, &im.Labels} {
			if *m == nil {
				*m = map[string]string{}
			}
		}
		s.images = append(s.images, im)
	}
}
