package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rebuild/docker"
	"rebuild/docker/enginetest"
	"rebuild/impact"
)

// sketch is a repository in memory. Texts hold $P for a prefix that no other
// repository has and $OS for the external base image, so that it can be tried again
// with nothing in the engine's cache.
type sketch struct {
	files  map[string]sketchFile // by slash path
	images []sketchImage
	bake   bool       // defined in docker-bake.json, not in rebuild.yaml
	note   string     // a comment in the definition
	os     int        // which of the external base's versions there is
	bare   bool       // images are built on nothing, with what a current BuildKit understands
	git    [][]string // what git is told before the files are written
}

// sketchFile is a file, a link (data is its text), or an empty folder.
type sketchFile struct {
	data    string
	mode    fs.FileMode // type and permissions
	touched int         // times that it was written without a change
}

// sketchImage is one image's definition. Dockerfile is relative to the context.
type sketchImage struct {
	name       string
	Dockerfile string            `json:"dockerfile"`
	Context    string            `json:"context,omitempty"`
	Target     string            `json:"target,omitempty"`
	Tags       []string          `json:"tags"`
	Args       map[string]string `json:"args,omitempty"`
	Contexts   map[string]string `json:"contexts,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
}

func (im sketchImage) dockerfile() string { return path.Join(im.Context, im.Dockerfile) }

func (s *sketch) clone() *sketch {
	c := *s
	c.files = maps.Clone(s.files)
	c.images, c.git = slices.Clone(s.images), slices.Clone(s.git)
	for i, im := range c.images {
		c.images[i].Tags = slices.Clone(im.Tags)
		c.images[i].Args, c.images[i].Contexts, c.images[i].Labels = maps.Clone(im.Args), maps.Clone(im.Contexts), maps.Clone(im.Labels)
	}
	return &c
}

// definition is the file that names the images.
func (s *sketch) definition() (name, text string) {
	targets := map[string]sketchImage{}
	for _, im := range s.images {
		targets[im.name] = im
	}
	name, key := "rebuild.yaml", "images"
	if s.bake {
		name, key = "docker-bake.json", "target"
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(map[string]any{key: targets}); err != nil {
		panic(err) // strings and maps always marshal
	}
	text = b.String()
	if !s.bake {
		text = "# " + s.note + "\n" + text
	}
	return name, text
}

// all is the files with the definition.
func (s *sketch) all() map[string]sketchFile {
	all := maps.Clone(s.files)
	name, text := s.definition()
	all[name] = sketchFile{data: text, mode: 0o644}
	return all
}

// checkout is a sketch on disk.
type checkout struct {
	dir, prefix string
	on          map[string]sketchFile // what is there
	told        int                   // how much of sketch.git
	os          int
	engine      *docker.Engine
	busybox     string
	replace     *strings.Replacer // see fill
}

func newCheckout(t testing.TB, e *docker.Engine, busybox, dir, prefix string) *checkout {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "init", "-q")
	c := &checkout{dir: dir, prefix: prefix, on: map[string]sketchFile{}, os: -1, engine: e, busybox: busybox}
	words := []string{"$OS", c.osRef(), "$P", prefix}
	if !enginetest.TakesAnyName(t, e) {
		words = append(words, notUTF8, "café")
	}
	c.replace = strings.NewReplacer(words...)
	return c
}

func (c *checkout) osRef() string { return c.prefix + "/os:1" }

// fill says a text, or a name, of a sketch in the checkout's words, and in UTF-8 where the
// engine takes nothing else.
func (c *checkout) fill(text string) string { return c.replace.Replace(text) }

// write makes the disk what the sketch is, touching nothing that stays.
func (c *checkout) write(t testing.TB, s *sketch) {
	t.Helper()
	fail := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for ; c.told < len(s.git); c.told++ {
		var args []string
		for _, a := range s.git[c.told] {
			args = append(args, c.fill(a))
		}
		git(t, c.dir, args...)
	}
	next := map[string]sketchFile{}
	for name, f := range s.all() {
		next[c.fill(name)] = f
	}
	for _, name := range slices.Sorted(maps.Keys(c.on)) {
		now, ok := next[name]
		if ok && now.mode.Type() == c.on[name].mode.Type() {
			continue
		}
		full := filepath.Join(c.dir, name)
		fail(os.RemoveAll(full))
		delete(c.on, name)
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if os.Remove(filepath.Join(c.dir, dir)) != nil {
				break // something is in it
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(next)) {
		f := next[name]
		was, ok := c.on[name]
		full := filepath.Join(c.dir, name)
		c.on[name] = f
		if ok && was.data == f.data && was.mode == f.mode && was.touched == f.touched {
			continue
		}
		fail(os.MkdirAll(filepath.Dir(full), 0o755))
		switch f.mode.Type() {
		case fs.ModeDir:
			fail(os.MkdirAll(full, 0o755))
			fail(os.Chmod(full, f.mode.Perm()))
		case fs.ModeSymlink:
			if err := os.Remove(full); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			fail(os.Symlink(c.fill(f.data), full))
		default:
			if !ok || was.data != f.data {
				fail(os.WriteFile(full, []byte(c.fill(f.data)), 0o644))
			}
			fail(os.Chmod(full, f.mode.Perm()))
			if ok && was.touched != f.touched {
				at := time.Now().Add(-time.Duration(f.touched) * time.Hour)
				fail(os.Chtimes(full, at, at))
			}
		}
	}
	c.base(t, s.os)
}

// base makes the external base image what it is in a version of it.
func (c *checkout) base(t testing.TB, version int) {
	t.Helper()
	if version == c.os {
		return
	}
	c.os = version
	_, err := c.engine.Build(t.Context(), docker.Request{
		Image:      impact.Image{Name: "os"},
		Dockerfile: fmt.Appendf(nil, "FROM %s\nRUN echo %s %d > /token\n", c.busybox, c.prefix, version),
		Refs:       []string{enginetest.Ref(t, c.osRef())},
	})
	if err != nil {
		t.Fatal(err)
	}
}
