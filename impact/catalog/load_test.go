package catalog

import (
	"context"
	"path"
	"slices"
	"strings"
	"testing"
)

func TestPaths(t *testing.T) {
	for _, c := range []struct{ root, base, name, want string }{
		{"/r", ".", "x", "x"},
		{"/r", "a/b", "../c/./d", "a/c/d"},
		{"/r", "a", "..", "."},
		{"/r", "a", "", "a"},
		{"/r", "a", "../..", "/"},
		{"/r/s", "a", "../../x", "/r/x"},
		{"/r/s", "a", "../../s/x", "x"},
		{"/r/s", ".", "/r/s", "."},
		{"/r/s", ".", "/r/s/x/../y", "y"},
		{"/r/s", ".", "/r/sx", "/r/sx"},
		{"/r/s", "/out", "x", "/out/x"},
		{"/r/s", "/out", "../r/s/x", "x"},
		{"/", ".", "/x", "x"},
		{"", ".", "/x", "/x"},
	} {
		got, err := newPaths(c.root).resolve(c.base, c.name)
		if err != nil || got != c.want {
			t.Errorf("%+v: %q %v", c, got, err)
		}
	}
	if _, err := newPaths("").resolve(".", "../x"); err == nil {
		t.Error("a path that leaves an unknown root")
	}
}

// TestMemo evaluates a definition once, and again when anything differs.
func TestMemo(t *testing.T) {
	memo := &Memo{}
	base := Options{Env: none, Memo: memo, Root: "/r"}
	files := tree{"docker-bake.hcl": `target "a" { args = {X = "1"} }`}
	load := func(files tree, opt Options) {
		t.Helper()
		with, err := Load(context.Background(), files, opt)
		if err != nil {
			t.Fatal(err)
		}
		opt.Memo = nil
		without, err := Load(context.Background(), files, opt)
		if err != nil || string(pretty(t, with)) != string(pretty(t, without)) {
			t.Errorf("%s\n%s\n%v", pretty(t, with), pretty(t, without), err)
		}
	}
	load(files, base)
	load(files, base)
	if len(memo.kept) != 1 {
		t.Errorf("kept %d", len(memo.kept))
	}
	for i, change := range []func(*Options){
		func(o *Options) { o.Set = []string{"a.args.X=2"} },
		func(o *Options) { o.BuildArgs = map[string]string{"X": "3"} },
		func(o *Options) { o.Root = "/s" },
		func(o *Options) { o.Volatile = true },
	} {
		opt := base
		change(&opt)
		load(files, opt)
		if len(memo.kept) != i+2 {
			t.Errorf("%d: kept %d", i, len(memo.kept))
		}
	}
	load(tree{"docker-bake.hcl": files["docker-bake.hcl"], "rebuild.yaml": "ignore_args: [X]"}, base)
	load(tree{"docker-bake.hcl": files["docker-bake.hcl"] + "\n"}, base)
	if len(memo.kept) != 7 {
		t.Errorf("kept %d", len(memo.kept))
	}
}

// TestMemoOfServices tells what a compose project says beside the images apart.
func TestMemoOfServices(t *testing.T) {
	opt := Options{Memo: &Memo{}, Root: "/r", Env: none}
	for _, c := range []struct{ compose, dotenv, fault, secret string }{
		{"services: {a: {image: a, build: {context: ., platforms: [linux/amd64]}}}", "", "", ""},
		{"services: {a: {image: a, platform: linux/arm64, build: {context: ., platforms: [linux/amd64]}}}", "", "its platform linux/arm64 is none of", ""},
		{"services: {a: {image: a, build: {context: ., secrets: [s]}}}\nsecrets: {s: {environment: S}}", "S=one", "", "one"},
		{"services: {a: {image: a, build: {context: ., secrets: [s]}}}\nsecrets: {s: {environment: S}}", "S=two", "", "two"},
	} {
		cat, err := Load(context.Background(), tree{"compose.yaml": c.compose, ".env": c.dotenv}, opt)
		if err != nil {
			t.Fatal(err)
		}
		im := cat.Images[0]
		if (im.Fault == nil) != (c.fault == "") || im.Fault != nil && !strings.Contains(im.Fault.Cause, c.fault) || im.SecretEnv["S"] != c.secret {
			t.Errorf("%s: fault %v, secret %q", c.compose, im.Fault, im.SecretEnv["S"])
		}
	}
}

// TestSeparateCatalogs holds that what is derived shares nothing with what it
// is derived from.
func TestSeparateCatalogs(t *testing.T) {
	cat, err := Load(context.Background(), tree{
		"rebuild.yaml":    "phases: [{name: D, derive: {from: [a-x], rename: {x: y}, replace: {b: c}}}]",
		"docker-bake.hcl": "target \"a-x\" {\n tags = [\"a:x\"]\n args = {K = \"v\"}\n contexts = {b = \"docker-image://b\"}\n}\n",
	}, Options{Env: none})
	if err != nil {
		t.Fatal(err)
	}
	orig, derived := cat.Images[0], cat.Images[1]
	derived.Args["K"] = "changed"
	derived.Tags[0] = "changed"
	if orig.Args["K"] != "v" || orig.Tags[0] != "a:x" || orig.Contexts[0].Ref != "b" || derived.Contexts[0].Ref != "c" {
		t.Errorf("%+v\n%+v", orig, derived)
	}
}

// TestFilesRead holds that what Load says it read is what it asked for.
func TestFilesRead(t *testing.T) {
	files := &asked{tree: tree{"sub/rebuild.yaml": "definitions: [../b.hcl]", "b.hcl": `target "a" {}`}}
	cat, err := Load(context.Background(), files, Options{Dir: "sub/deep", Env: none})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(cat.Files, []string{"sub/rebuild.yaml", "b.hcl"}) {
		t.Errorf("files %v", cat.Files)
	}
	for _, p := range files.paths {
		if path.Clean(p) != p || strings.HasPrefix(p, "..") || path.IsAbs(p) {
			t.Errorf("asked for %q", p)
		}
	}
}

type asked struct {
	tree
	paths []string
}

func (a *asked) ReadFile(ctx context.Context, p string) ([]byte, error) {
	a.paths = append(a.paths, p)
	return a.tree.ReadFile(ctx, p)
}
