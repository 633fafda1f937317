package main

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
)

// shrinkFor bounds how long a counter-example is made smaller.
const shrinkFor = time.Minute

// shrink leaves out of two states of a repository what the miss does not need, and
// gives the story of what is left.
func (o *oracle) shrink(t *testing.T, before, after *sketch, kind string) string {
	t.Helper()
	if !o.misses(t, before, after, kind) {
		return "it takes more than this one edit:\n" + story(before, after)
	}
	until := time.Now().Add(shrinkFor)
	for smaller := true; smaller; {
		smaller = false
		for _, cut := range cuts(before, after) {
			if time.Now().After(until) {
				return story(before, after)
			}
			b, a := before.clone(), after.clone()
			if cut(b, a) && b.possible() && a.possible() && o.misses(t, b, a, kind) {
				before, after, smaller = b, a, true
			}
		}
	}
	return story(before, after)
}

// possible tells whether a disk can hold the files: none lies below another.
func (s *sketch) possible() bool {
	for name := range s.files {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if f, ok := s.files[dir]; ok && !f.mode.IsDir() {
				return false
			}
		}
	}
	return true
}

// misses tells whether a plan between two states has a miss of that kind, in an
// engine that knows neither.
func (o *oracle) misses(t *testing.T, before, after *sketch, kind string) bool {
	t.Helper()
	c := o.checkout(t)
	c.write(t, before)
	j := newJudge(c.dir)
	j.builder = o.builder
	v, err := j.judgeNow(t.Context())
	if err != nil || len(v.misses()) > 0 || broken(v) {
		return false
	}
	c.write(t, after)
	v, err = j.judgeNow(t.Context())
	return err == nil && slices.ContainsFunc(v.misses(), func(m miss) bool { return m.kind == kind })
}

// cuts are ways to leave something out, the larger ones first.
func cuts(before, after *sketch) []func(b, a *sketch) bool {
	var list []func(b, a *sketch) bool
	for _, im := range after.images {
		list = append(list, func(b, a *sketch) bool {
			for _, s := range []*sketch{b, a} {
				s.images = slices.DeleteFunc(s.images, func(o sketchImage) bool { return o.name == im.name })
			}
			return len(a.images) > 0 && len(b.images) > 0
		})
	}
	names := maps.Clone(before.files)
	maps.Copy(names, after.files)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if before.files[name] == after.files[name] {
			list = append(list, func(b, a *sketch) bool {
				delete(b.files, name)
				delete(a.files, name)
				return true
			})
		} else {
			list = append(list, func(b, a *sketch) bool {
				if f, ok := b.files[name]; ok {
					a.files[name] = f
				} else {
					delete(a.files, name)
				}
				return true
			})
		}
		if !strings.HasSuffix(name, "Dockerfile") && !strings.HasSuffix(name, "dockerignore") {
			continue
		}
		for line := range strings.Lines(names[name].data) {
			list = append(list, func(b, a *sketch) bool {
				return cutLine(b, name, line) && cutLine(a, name, line)
			})
		}
	}
	return list
}

func cutLine(s *sketch, name, line string) bool {
	f, ok := s.files[name]
	if !ok {
		return false
	}
	text := strings.Replace(f.data, line, "", 1)
	if text == f.data || text == "" {
		return false
	}
	f.data = text
	s.files[name] = f
	return true
}

// story words two states of a repository as one for testdata/hazards.
func story(before, after *sketch) string {
	var script, files strings.Builder
	script.WriteString("exec git init -q\n")
	if before == nil {
		before, after = after, nil
	}
	write := func(folder, name string, f sketchFile) {
		switch f.mode.Type() {
		case fs.ModeDir:
			fmt.Fprintf(&script, "mkdir '%s'\n", name)
		case fs.ModeSymlink:
			fmt.Fprintf(&script, "mkdir '%s'\nexec ln -s '%s' '%s'\n", path.Dir(name), f.data, name)
		default:
			fmt.Fprintf(&files, "-- %s --\n%s", path.Join(folder, name), f.data)
			if folder != "" {
				fmt.Fprintf(&script, "mkdir '%s'\ncp '%s' '%s'\n", path.Dir(name), path.Join(folder, name), name)
			}
			fmt.Fprintf(&script, "fill '%s'\nexec chmod %o '%s'\n", name, f.mode.Perm(), name)
		}
	}
	old := before.all()
	for _, name := range slices.Sorted(maps.Keys(old)) {
		write("", name, old[name])
	}
	script.WriteString("judge\n")
	if after != nil {
		script.WriteString("\n")
		next := after.all()
		for _, name := range slices.Sorted(maps.Keys(old)) {
			if f, ok := next[name]; !ok || f.mode.Type() != old[name].mode.Type() || f.mode.Type() == fs.ModeSymlink && f != old[name] {
				fmt.Fprintf(&script, "exec rm -r '%s'\n", name)
				delete(old, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(next)) {
			if f, was := next[name], old[name]; f.data != was.data || f.mode != was.mode {
				write("after", name, f)
			} else if f.touched != was.touched {
				fmt.Fprintf(&script, "exec touch '%s'\n", name)
			}
		}
		if before.os != after.os {
			script.WriteString("# $OS becomes another image\n")
		}
		script.WriteString("judge\n")
	}
	return script.String() + "\n" + files.String()
}

// TestShrink: what is cut is cut of both states, and the story has every file.
func TestStory(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	before := generate(r, false)
	after, _ := change(r, before, edits)
	text := story(before, after)
	for name, f := range before.files {
		if f.mode.IsRegular() && !strings.Contains(text, "-- "+name+" --\n"+f.data) {
			t.Errorf("%s is not in the story", name)
		}
	}
}
