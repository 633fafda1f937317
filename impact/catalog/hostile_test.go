package catalog

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"rebuild/impact"
)

// TestHostile gives texts that exhaust the stack of a recursive parser.
func TestHostile(t *testing.T) {
	const n = 120_000
	rep := strings.Repeat
	bomb := "services:\n a: {build: {context: x, args: &a0 [x, x]}}\n"
	for i := range 20 {
		bomb += fmt.Sprintf("x%d: &a%d [%s*a%d]\n", i, i+1, rep(fmt.Sprintf("*a%d, ", i), 9), i)
	}
	for name, files := range map[string]tree{
		"hcl brackets":    {"docker-bake.hcl": "x = " + rep("[", n)},
		"hcl parens":      {"docker-bake.hcl": "x = " + rep("(", n)},
		"hcl blocks":      {"docker-bake.hcl": rep("a {\n", n)},
		"hcl templates":   {"docker-bake.hcl": `x = "` + rep(`${"`, n)},
		"hcl not":         {"docker-bake.hcl": "x = " + rep("!", n) + "true"},
		"hcl minus":       {"docker-bake.hcl": "x = " + rep("-", n) + "1"},
		"hcl sum":         {"docker-bake.hcl": "x = 1" + rep("+1", n)},
		"hcl conditional": {"docker-bake.hcl": "x = " + rep("true?1:", n) + "1"},
		"hcl index":       {"docker-bake.hcl": "x = a" + rep("[0]", n)},
		"hcl if":          {"docker-bake.hcl": `x = "` + rep("%{if true}", n) + `"`},
		"json arrays":     {"docker-bake.json": `{"x": ` + rep("[", n)},
		"json objects":    {"docker-bake.json": rep(`{"x":`, n)},
		"json template":   {"docker-bake.json": `{"x": "${` + rep("(", n) + `"}`},
		"json quotes":     {"docker-bake.json": rep(`"`, n)},
		"yaml flow":       {"rebuild.yaml": rep("[", n)},
		"yaml maps":       {"rebuild.yaml": rep("{a: ", n)},
		"yaml blocks":     {"rebuild.yaml": rep("- ", n)},
		"yaml aliases":    {"rebuild.yaml": "ignore_args:\n- &a [x,x]\n- &b [*a,*a,*a,*a]\n- &c [*b,*b,*b,*b]\n- &d [*c,*c]\n"},
		"compose flow":    {"docker-bake.hcl": "", "compose.yaml": rep("[", n)},
		"compose aliases": {"docker-bake.hcl": "", "compose.yaml": bomb},
		"compose alone":   {"compose.yaml": rep("[", n)},
		"compose maps":    {"compose.yaml": rep("{a: ", n)},
		"compose bomb":    {"compose.yaml": bomb},
		"compose extends": {"compose.yaml": "services: {a: {extends: {file: [x], service: 1}, build: 3}}"},
		"compose include": {"compose.yaml": "include: {a: b}\nservices: {a: {build: .}}"},
		"compose types":   {"compose.yaml": "services: [1, {a: b}]"},
		"compose numbers": {"compose.yaml": "services: {1: {build: {context: [1], args: 7}}}"},
		"large":           {"docker-bake.hcl": "#" + rep("x", maxDefinition)},
		"no utf-8":        {"docker-bake.hcl": "target \"\xff\xfe\" {}"},
		"zero bytes":      {"rebuild.yaml": "a\x00b"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(context.Background(), files, Options{Env: none})
			f, ok := errors.AsType[*impact.Fault](err)
			if !ok {
				t.Fatalf("no fault but %v", err)
			}
			bounded := strings.HasPrefix(name, "hcl ") || strings.HasPrefix(name, "json ") && name != "json quotes"
			if bounded && f.Cause != "definition is nested too deeply" {
				t.Errorf("the parsers saw it: %s", f.Cause)
			}
			if f.Path == "" || len(f.Cause) > 2000 {
				t.Errorf("path %q, cause of %d bytes", f.Path, len(f.Cause))
			}
		})
	}
}

// TestUnreadable passes on the error of a tree that cannot be read.
func TestUnreadable(t *testing.T) {
	denied := errors.New("permission denied")
	_, err := Load(context.Background(), failing{denied}, Options{Env: none})
	if !errors.Is(err, denied) || errors.Is(err, ErrNoDefinition) || !strings.Contains(err.Error(), "rebuild.yaml") {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) ReadFile(context.Context, string) ([]byte, error) { return nil, f.err }

// FuzzRebuildYAML never panics, and what it accepts is well-formed.
func FuzzRebuildYAML(f *testing.F) {
	seeds(f, "rebuild.yaml")
	f.Fuzz(func(t *testing.T, data string) {
		check(t, tree{"rebuild.yaml": data, "docker-bake.hcl": "target \"a\" {\n tags = [\"x/a:cuda\"]\n}\ntarget \"b-cuda\" {}\n"})
	})
}

// FuzzBakeHCL never panics.
func FuzzBakeHCL(f *testing.F) {
	seeds(f, "docker-bake.hcl")
	f.Fuzz(func(t *testing.T, data string) {
		if strings.Contains(data, "range") || strings.Contains(data, "matrix") && len(data) > 2000 {
			t.Skip() // large by intent: bake itself evaluates what is asked
		}
		check(t, tree{"docker-bake.hcl": data})
	})
}

// FuzzCompose never panics.
func FuzzCompose(f *testing.F) {
	seeds(f, "compose.yaml")
	f.Fuzz(func(t *testing.T, data string) { check(t, tree{"compose.yaml": data}) })
}

// FuzzDockerfile never panics.
func FuzzDockerfile(f *testing.F) {
	for _, text := range []string{"FROM a AS b\nCOPY --from=b x y\n", "FROM a\nENV A=aaaa\n" + strings.Repeat("ENV A=$A$A\n", 64), "ARG A\n# check=skip=all\nFROM $A\n# check=skip=all\nENV B=\xe9\n", "ARG A=1\nFROM x:$A\nARG A\nRUN --mount=type=bind,source=$A,from=z,target=/t true\nADD https://x/y /\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		templated([]byte(text))
		if r, err := readRecipe([]byte(text), nil); err == nil && r == nil {
			t.Error("neither a recipe nor an error")
		}
	})
}

// FuzzBakeJSON never panics.
func FuzzBakeJSON(f *testing.F) {
	seeds(f, "docker-bake.json")
	f.Fuzz(func(t *testing.T, data string) { check(t, tree{"docker-bake.json": data}) })
}

func seeds(f *testing.F, name string) {
	archives, _ := filepath.Glob("testdata/*.txtar")
	for _, a := range archives {
		ar, err := txtar.ParseFile(a)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range ar.Files {
			if filepath.Base(file.Name) == name {
				f.Add(string(file.Data))
			}
		}
	}
}

// check loads and holds what comes of it against what a catalog promises.
func check(t *testing.T, files tree) {
	cat, err := Load(context.Background(), files, Options{Env: none, Root: "/r"})
	if err != nil {
		if _, ok := errors.AsType[*impact.Fault](err); !ok {
			t.Errorf("no fault: %v", err)
		}
		return
	}
	if err := sane(cat); err != nil {
		t.Error(err)
	}
}

// sane checks the invariants of a catalog.
func sane(cat impact.Catalog) error {
	seen, phased := map[string]bool{}, map[string]bool{}
	for _, im := range cat.Images {
		if seen[im.Name] || im.Name == "" {
			return fmt.Errorf("image %q twice or without a name", im.Name)
		}
		seen[im.Name] = true
		if len(im.Refs) == 0 || len(im.Tags) > 0 && len(im.Refs) != len(im.Tags) {
			return fmt.Errorf("image %s: refs %v of tags %v", im.Name, im.Refs, im.Tags)
		}
		if (im.Context == "") == (im.RemoteContext == "") {
			return fmt.Errorf("image %s: context %q, remote %q", im.Name, im.Context, im.RemoteContext)
		}
		for _, c := range im.Contexts {
			n := 0
			for _, s := range []string{c.Image, c.Ref, c.Dir, c.URL} {
				if s != "" {
					n++
				}
			}
			if n > 1 {
				return fmt.Errorf("image %s: context %+v", im.Name, c)
			}
		}
	}
	for _, p := range cat.Phases {
		for _, name := range p.Images {
			if phased[name] || !seen[name] {
				return fmt.Errorf("phase %s: image %s twice or unknown", p.Name, name)
			}
			phased[name] = true
		}
	}
	if len(cat.Phases) > 0 && len(phased) != len(seen) {
		return fmt.Errorf("%d of %d images have a phase", len(phased), len(seen))
	}
	for g, names := range cat.Groups {
		for _, n := range names {
			if !seen[n] {
				return fmt.Errorf("group %s: unknown %s", g, n)
			}
		}
	}
	return nil
}
