//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"rebuild/docker"
	"rebuild/docker/enginetest"
	"rebuild/impact"
)

// garbledBed is what garbled repositories are copies of.
type garbledBed struct {
	engine *docker.Engine
	prefix string
	config string // git's
	shapes []garbledShape
}

// garbledShape is a repository with a history, and records of a build, in good order.
type garbledShape struct {
	name, dir string
	images    []string
	pushes    []string // what git's pre-push hook may be given
}

// garbledLabel is on each image of a bed, with the bed's prefix, so that those that lost
// their tags are found.
const garbledLabel = "rebuild.garbled"

func newGarbledBed(t *testing.T) *garbledBed {
	t.Helper()
	e := enginetest.Connect(t)
	tmp := t.TempDir()
	b := &garbledBed{engine: e, prefix: fmt.Sprintf("rebuild-garbled-%x", rand.Uint64()), config: filepath.Join(tmp, "gitconfig")}
	const config = "[user]\n\tname = a\n\temail = a@localhost\n[init]\n\tdefaultBranch = main\n[protocol \"file\"]\n\tallow = always\n[advice]\n\tdetachedHead = false\n[gc]\n\tauto = 0\n"
	check(t, os.WriteFile(b.config, []byte(config), 0o644))
	busybox := b.prefix + "/busybox"
	enginetest.Busybox(t, e, busybox)
	t.Cleanup(func() {
		removeTags(t, e, b.prefix)
		enginetest.Prune(t, e, garbledLabel+"="+b.prefix)
	})
	_, err := e.Build(t.Context(), docker.Request{
		Image:      impact.Image{Name: "os"},
		Dockerfile: fmt.Appendf(nil, "FROM %s\nLABEL %s=%s\n", busybox, garbledLabel, b.prefix),
		Refs:       []string{enginetest.Ref(t, b.osRef())},
	})
	check(t, err)
	archives, err := filepath.Glob("testdata/garbled/*.txtar")
	check(t, err)
	for _, archive := range archives {
		name := strings.TrimSuffix(filepath.Base(archive), ".txtar")
		b.shapes = append(b.shapes, b.shape(t, tmp, name, archive))
	}
	return b
}

func (b *garbledBed) osRef() string { return b.prefix + "/os:1" }

// env is the environment of a program in a folder of its own: no settings of the user.
func (b *garbledBed) env(dir string) []string {
	return append(os.Environ(), "HOME="+filepath.Join(dir, "home"), "XDG_STATE_HOME=", "XDG_CONFIG_HOME=", "XDG_RUNTIME_DIR="+dir,
		"GIT_CONFIG_GLOBAL="+b.config, "GIT_CONFIG_NOSYSTEM=1", "BUILDKIT_PROGRESS=plain",
		"GIT_AUTHOR_DATE=2024-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2024-01-01T00:00:00Z")
}

// shape makes a repository of an archive: commits, a branch that is packed, a submodule,
// links, a linked worktree, records of a build, and an edit that is in no commit.
func (b *garbledBed) shape(t *testing.T, tmp, name, archive string) garbledShape {
	t.Helper()
	dir := filepath.Join(tmp, name)
	run := func(dir string, args ...string) string {
		t.Helper()
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.Env = dir, b.env(tmp)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %q: %v\n%s", name, args, err, stderr.String())
		}
		return strings.TrimSpace(string(out))
	}
	write := func(file, text string) {
		t.Helper()
		full := filepath.Join(dir, file)
		check(t, os.MkdirAll(filepath.Dir(full), 0o755))
		check(t, os.WriteFile(full, []byte(text), 0o644))
	}
	ar, err := txtar.ParseFile(archive)
	check(t, err)
	for _, f := range ar.Files {
		write(f.Name, strings.NewReplacer("$OS", b.osRef(), "$P", b.prefix).Replace(string(f.Data)))
	}
	check(t, os.Symlink("../shared/a.txt", filepath.Join(dir, "link")))
	check(t, os.Symlink("link", filepath.Join(dir, "to link")))
	sub := filepath.Join(tmp, name+"-sub")
	check(t, os.Mkdir(sub, 0o755))
	check(t, os.WriteFile(filepath.Join(sub, "in-sub.txt"), []byte("sub\n"), 0o644))
	for _, at := range []string{sub, dir} {
		run(at, "git", "init", "-q")
		run(at, "git", "add", "-A")
		run(at, "git", "commit", "-qm", "one")
	}
	run(dir, "git", "submodule", "--quiet", "add", sub, "module")
	run(dir, "git", "commit", "-qm", "two")
	run(dir, "git", "tag", "-am", "tagged", "v1")
	run(dir, "git", "repack", "-qad")
	run(dir, "git", "pack-refs", "--all")
	write("shared/a.txt", "more\n")
	write("src/one.txt", "more\n")
	run(dir, "git", "add", "-A")
	run(dir, "git", "commit", "-qm", "three")
	run(dir, "git", "branch", "topic")
	run(dir, "git", "update-ref", "refs/remotes/origin/main", "HEAD~1")
	run(dir, "rebuild", "--all", "--progress", "quiet")
	write("shared/a.txt", "even more\n")
	write("src/two.txt", "even more\n")
	run(dir, "rebuild", "plan", "--all") // it saves what it learnt of files
	var list struct{ Images []struct{ Name string } }
	check(t, json.Unmarshal([]byte(run(dir, "rebuild", "list", "--all", "--format", "json")), &list))
	var images []string
	for _, im := range list.Images {
		images = append(images, im.Name)
	}
	head, before := run(dir, "git", "rev-parse", "HEAD"), run(dir, "git", "rev-parse", "HEAD~1")
	none := strings.Repeat("0", len(head))
	return garbledShape{name: name, dir: dir, images: images, pushes: []string{
		"refs/heads/main " + head + " refs/heads/main " + before + "\n",
		"refs/heads/topic " + head + " refs/heads/topic " + none + "\nrefs/tags/v1 " + before + " refs/tags/v1 " + none + "\n",
		"(delete) " + none + " refs/heads/gone " + before + "\n",
		"refs/heads/main " + head + " refs/heads/main " + strings.Repeat("12", len(head)/2) + "\n",
	}}
}

// garbledCall is a way to call the program.
type garbledCall struct {
	name                        string
	engine, reads, others, json bool // it asks the engine, reads standard input, lets others speak on stderr, prints JSON
	args                        func(*rand.Rand, garbledShape) []string
}

func fixedCall(line string) func(*rand.Rand, garbledShape) []string {
	return func(*rand.Rand, garbledShape) []string { return strings.Fields(line) }
}

// oneImage is a call that ends with the name of an image.
func oneImage(line string) func(*rand.Rand, garbledShape) []string {
	return func(r *rand.Rand, s garbledShape) []string { return append(strings.Fields(line), pick(r, s.images)) }
}

// Silence of the engine is bounded by less than a run may take.
var garbledCalls = []garbledCall{
	{name: "plan", args: fixedCall("plan --all"), engine: true},
	{name: "plan", args: fixedCall("plan --all -v"), engine: true},
	{name: "plan json", args: fixedCall("plan --all --format json"), engine: true, json: true},
	{name: "plan --since", args: fixedCall("plan --since HEAD~1 --all")},
	{name: "plan --since", args: fixedCall("plan --since origin/main --format json"), json: true},
	{name: "plan --since", args: fixedCall("plan --since v1 --all -v")},
	{name: "plan --at", args: fixedCall("plan --at HEAD --all"), engine: true},
	{name: "plan --at", args: fixedCall("plan --at topic --since HEAD~2 --all")},
	{name: "plan --at", args: fixedCall("plan --at v1 --since main --all")},
	{name: "list", args: fixedCall("list --all")},
	{name: "list json", args: fixedCall("list --all --format json"), json: true},
	{name: "list --print", args: fixedCall("list --all --print"), json: true},
	{name: "list --at", args: fixedCall("list --all --at HEAD~1")},
	{name: "graph", args: fixedCall("graph")},
	{name: "graph json", args: fixedCall("graph --format json"), json: true},
	{name: "why", args: oneImage("why"), engine: true},
	{name: "why --since", args: oneImage("why --since HEAD~1")},
	{name: "run", args: fixedCall("--engine-timeout 4s --all"), engine: true, others: true},
	{name: "run", args: oneImage("--engine-timeout 4s"), engine: true, others: true},
	{name: "run --since", args: fixedCall("--engine-timeout 4s --since HEAD~1"), engine: true, others: true},
	{name: "run --at", args: fixedCall("--engine-timeout 4s --at HEAD --all"), engine: true, others: true},
	{name: "hook", args: fixedCall("hook run pre-push origin file:///nowhere --mode plan"), reads: true},
	{name: "hook", args: fixedCall("hook run pre-push origin file:///nowhere --engine-timeout 4s"), reads: true, engine: true, others: true},
	{name: "hook", args: fixedCall("hook run pre-push origin file:///nowhere --mode verify --strict --engine-timeout 4s"), reads: true, engine: true, others: true},
	{name: "audit", args: fixedCall("audit")},
	{name: "logs", args: oneImage("logs"), others: true},
	{name: "status", args: fixedCall("status")},
	{name: "allow --list", args: fixedCall("allow --list")},
	{name: "allow", args: fixedCall("allow")},
	{name: "init", args: fixedCall("init --print")},
	{name: "hook install", args: fixedCall("hook install")},
	{name: "complete", args: fixedCall("__complete why --since HEAD~1 a"), others: true},
}
