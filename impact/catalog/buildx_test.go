package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"rebuild/impact"
)

// buildx is the program that the catalog is held against.
func buildx(t *testing.T) string {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Skip(err)
	}
	name := filepath.Join(home, ".cache", "rebuild", "tools", "buildx")
	if _, err := os.Stat(name); err != nil {
		t.Skipf("buildx is not here: %v", err)
	}
	return name
}

// printed is what "buildx bake --print" says.
type printed struct {
	Group  map[string]struct{ Targets []string }
	Target map[string]struct {
		Context, Dockerfile, Target, Network string
		DockerfileInline                     string `json:"dockerfile-inline"`
		Args, Labels, Contexts               map[string]string
		Tags, Platforms                      []string
		NoCache                              bool `json:"no-cache"`
		Pull                                 bool
	}
}

// bakePrint runs buildx on the files of a folder, or on a text.
func bakePrint(t *testing.T, dir string, stdin []byte, env []string, args ...string) (*printed, error) {
	t.Helper()
	cmd := exec.Command(buildx(t), append([]string{"bake", "--print"}, args...)...)
	cmd.Dir, cmd.Stdin, cmd.Env = dir, bytes.NewReader(stdin), append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, stderr.String())
	}
	p := &printed{}
	return p, json.Unmarshal(out, p)
}

// TestAsBuildx holds the catalog of each bake story against what the program
// prints of it.
func TestAsBuildx(t *testing.T) {
	buildx(t)
	archives, _ := filepath.Glob("testdata/bake-*.txtar")
	compared := 0
	for _, file := range archives {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := readStory(t, ar)
		if s.opt.Dir != "" || len(s.opt.Files) > 0 || len(s.outside) > 0 || s.opt.Root != "" || containsAny(file, []string{"epoch", "volatile", "one-output"}) {
			continue // these have paths or values that are ours
		}
		if s.files["docker-bake.hcl"] == "" && s.files["docker-bake.json"] == "" {
			continue
		}
		compared++
		t.Run(filepath.Base(file), func(t *testing.T) { compareWithBuildx(t, s) })
	}
	if compared < 40 {
		t.Errorf("only %d stories compared", compared)
	}
}

func compareWithBuildx(t *testing.T, s story) {
	dir := t.TempDir()
	for name, data := range s.files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.opt.BuildArgs = nil
	var args, env []string
	for _, set := range s.opt.Set {
		args = append(args, "--set", set)
	}
	for _, name := range sortedKeys(s.opt.Vars) {
		args = append(args, "--var", name+"="+s.opt.Vars[name])
	}
	for _, name := range []string{"TAG", "REGISTRY", "LIST_JSON"} {
		if v, ok := s.opt.Env(name); ok {
			env = append(env, name+"="+v)
		}
	}
	cat, err := Load(context.Background(), s.files, s.opt)
	want, wrong := bakePrint(t, dir, nil, env, append(args, "*")...)
	if wrong != nil {
		if err == nil && !strings.Contains(wrong.Error(), "infinite loop") && !slices.ContainsFunc(cat.Images, func(im impact.Image) bool { return im.Fault != nil }) {
			t.Errorf("buildx fails and we do not: %v", wrong)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(slices.Values(cat.Names())); !slices.Equal(got, slices.Sorted(maps.Keys(want.Target))) {
		t.Fatalf("images %v, buildx has %v", got, slices.Sorted(maps.Keys(want.Target)))
	}
	samePrinted(t, cat, want)
}

// samePrinted compares what both say of each image.
func samePrinted(t *testing.T, cat impact.Catalog, want *printed) {
	t.Helper()
	at := place{paths: newPaths("")}
	for name, w := range want.Target {
		im, _ := cat.Image(name)
		if im.Fault != nil {
			t.Errorf("%s: %v", name, im.Fault)
			continue
		}
		// buildx prints values as a file has them, escaped.
		plain := func(s string) string {
			return strings.ReplaceAll(strings.ReplaceAll(s, "$${", "${"), "%%{", "%{")
		}
		context, dockerfile := im.Context+im.RemoteContext, im.Dockerfile
		wantContext, wantFile := w.Context, w.Dockerfile
		if im.LocalDockerfile {
			wantFile = strings.TrimPrefix(wantFile, "cwd://")
		}
		if im.RemoteContext == "" {
			at.base = "."
			folder, err := at.folder(w.Context)
			if err != nil {
				t.Fatal(err)
			}
			wantContext = folder
			if rest, ok := strings.CutPrefix(w.Dockerfile, "cwd://"); ok {
				wantFile, err = at.resolve(".", rest)
			} else {
				wantFile, err = at.resolve(folder, w.Dockerfile)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if im.Inline != "" {
			dockerfile = wantFile // buildx prints one that it does not read
		}
		network := w.Network
		if network == "default" {
			network = ""
		}
		for what, pair := range map[string][2]string{
			"context":    {context, wantContext},
			"dockerfile": {dockerfile, wantFile},
			"inline":     {im.Inline, plain(w.DockerfileInline)},
			"target":     {im.Target, w.Target},
			"network":    {im.Network, network},
			"args":       {fmt.Sprint(im.Args), plain(fmt.Sprint(w.Args))},
			"labels":     {fmt.Sprint(im.Labels), plain(fmt.Sprint(w.Labels))},
			"tags":       {list(im.Tags), list(w.Tags)},
			"no-cache":   {fmt.Sprint(im.NoCache), fmt.Sprint(w.NoCache)},
			"pull":       {fmt.Sprint(im.Pull), fmt.Sprint(w.Pull)},
			"platforms":  {fmt.Sprint(len(im.Platforms)), fmt.Sprint(len(w.Platforms))},
			"contexts":   {fmt.Sprint(len(im.Contexts)), fmt.Sprint(len(w.Contexts))},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: %s is %q, buildx has %q", name, what, pair[0], pair[1])
			}
		}
		for _, c := range im.Contexts {
			v := w.Contexts[c.Name]
			if got := map[string]bool{"target:" + c.Image: true, "docker-image://" + c.Ref: true, c.Dir: true, c.URL: true}; v == "" || !got[v] && !got[filepath.Clean(v)] {
				t.Errorf("%s: context %+v, buildx has %q", name, c, v)
			}
		}
	}
}

// TestBakeFile lets buildx read what is printed of each story, and holds it against
// the catalog that was printed.
func TestBakeFile(t *testing.T) {
	buildx(t)
	archives, _ := filepath.Glob("testdata/*.txtar")
	printed := 0
	for _, file := range archives {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := readStory(t, ar)
		cat, err := Load(context.Background(), s.files, s.opt)
		if err != nil || slices.ContainsFunc(cat.Images, unprintable) || containsAny(file, []string{"context-cycle", "everything"}) {
			continue
		}
		printed++
		t.Run(filepath.Base(file), func(t *testing.T) {
			var targets []BakeTarget
			for _, im := range cat.Images {
				targets = append(targets, BakeTarget{Image: im})
			}
			text, err := BakeFile(targets, cat.Names(), ".")
			if err != nil {
				t.Fatal(err)
			}
			got, err := bakePrint(t, t.TempDir(), text, nil, "-f", "-")
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			samePrinted(t, cat, got)
		})
	}
	if printed < 40 {
		t.Errorf("only %d stories printed", printed)
	}
}

// unprintable is an image with paths that are not below the folder of a test, or
// with text that only a build makes.
func unprintable(im impact.Image) bool {
	return im.Fault != nil || len(im.Substitute) > 0
}

// TestBakeFileParents holds that in-repo parents become contexts.
func TestBakeFileParents(t *testing.T) {
	base := impact.Image{Name: "base", Context: "a/base", Dockerfile: "a/base/Dockerfile", Tags: []string{"t/base:1"}}
	app := impact.Image{Name: "app", Context: "a", Dockerfile: "b/Dockerfile", Contexts: []impact.NamedContext{{Name: "x", Ref: "t/other"}, {Name: "d", Dir: "c"}}}
	text, err := BakeFile([]BakeTarget{{Image: base}, {Image: app, Text: "", Parents: []impact.Parent{
		{Image: "base", Ref: "docker.io/t/base:1"}, {Image: "other", Ref: "docker.io/t/other:latest"},
	}}}, []string{"app"}, "a")
	if err != nil {
		t.Fatal(err)
	}
	var p printed
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	got := p.Target["app"]
	want := map[string]string{"x": "target:other", "d": "../c", "t/base:1": "target:base"}
	if !maps.Equal(got.Contexts, want) || got.Context != "." || got.Dockerfile != "cwd://../b/Dockerfile" || p.Target["base"].Context != "base" {
		t.Errorf("%s", text)
	}
}
