package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "rebuild"

// allowed are the packages of ours that each may import; imports run one way.
var allowed = map[string][]string{
	"watch":                      {},
	"watch/daemon":               {"watch", "impact", "docker", "docker/record", "docker/run", "impact/safefile"},
	"hooks":                      {},
	"hooks/prepush":              {"hooks", "impact"},
	"impact":                     {},
	"impact/budget":              {},
	"impact/safefile":            {},
	"impact/spelling":            {},
	"impact/tree":                {"impact", "impact/safefile"},
	"impact/catalog":             {"impact", "impact/budget", "impact/catalog/evidence", "impact/safefile", "impact/spelling"},
	"impact/catalog/commandline": {},
	"impact/catalog/evidence":    {"impact/catalog/commandline"},
	"impact/llb":                 {"impact"},
	"docker":                     {"impact", "impact/llb", "impact/safefile", "impact/spelling"},
	"docker/record":              {"impact", "impact/safefile"},
	"docker/audit":               {"docker/record", "impact", "impact/safefile"},
	"docker/registry":            {},
	"docker/run":                 {"docker", "docker/record", "docker/audit", "impact", "impact/safefile"},
	"docker/enginetest":          {"docker", "impact"},
	"cmd/rebuild-pre-push":       {"hooks", "cmd/rebuild/recording/standin"},
	"cmd/rebuild/terminal":       {"impact/safefile"},

	"cmd/rebuild/terminal/screentest": {},
	"cmd/rebuild/recording":           {"cmd/rebuild/recording/standin", "impact", "impact/catalog", "impact/catalog/commandline", "impact/safefile"},
	"cmd/rebuild/recording/standin":   {"impact/catalog/commandline"},

	"cmd/rebuild/session": {
		"docker", "docker/record", "docker/audit", "docker/registry", "docker/run", "hooks", "impact", "impact/catalog", "impact/llb",
		"impact/safefile", "impact/spelling", "impact/tree",
	},
	"cmd/rebuild": {
		"cmd/rebuild/recording", "cmd/rebuild/recording/standin", "cmd/rebuild/session", "cmd/rebuild/terminal",
		"docker", "docker/audit", "docker/record", "docker/run", "hooks", "hooks/prepush",
		"impact", "impact/budget", "impact/catalog", "impact/safefile", "impact/tree", "watch", "watch/daemon",
	},
}

// longestChain is how many packages of ours may stand in a chain of imports.
const longestChain = 6

// only are imports that one place alone may have, so that what depends on them is
// found there.
var only = map[string]string{
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb": "impact/llb/",
	"github.com/docker/docker/client":                             "docker/engine.go",
	"github.com/docker/buildx/bake":                               "impact/catalog/",
	"github.com/fsnotify/fsnotify":                                "watch/",
	"github.com/spf13/cobra":                                      "cmd/rebuild/",
	"github.com/rs/zerolog":                                       "cmd/rebuild/",
	"github.com/sirupsen/logrus":                                  "cmd/rebuild/terminal/",
	"github.com/go-git/go-git/v5":                                 "impact/tree/",
}

// atOnce are packages of what must begin at once: the standard library alone, and
// system calls.
var atOnce = []string{"hooks", "cmd/rebuild-pre-push", "cmd/rebuild/recording/standin"}

// notBelow are imports that packages below cmd/rebuild may not have either: they say
// nothing to people.
var notBelow = []string{"github.com/spf13/cobra", "github.com/rs/zerolog", "github.com/sirupsen/logrus", "log", "log/slog"}

// topLevel is what the root of the repository may hold besides dot-files.
var topLevel = []string{"cmd", "watch", "impact", "docker", "hooks", "go.mod", "go.sum", "README.md", "Makefile", "examples", "LICENSE", "docs", "bin"}

func TestImports(t *testing.T) {
	root := filepath.Join("..", "..")
	for name, imports := range sources(t, root) {
		pkg, test := path.Dir(name), strings.HasSuffix(name, "_test.go")
		may, known := allowed[pkg]
		if !known {
			t.Errorf("%s: package %s has no place in the layout", name, pkg)
			continue
		}
		for _, imp := range imports {
			if ours, ok := strings.CutPrefix(imp, module+"/"); ok {
				if !slices.Contains(may, ours) && !test {
					t.Errorf("%s imports %s; %s may import %v", name, ours, pkg, may)
				}
				continue
			}
			if slices.Contains(atOnce, pkg) && strings.Contains(strings.Split(imp, "/")[0], ".") && imp != "golang.org/x/sys/unix" && !test {
				t.Errorf("%s imports %s; a push, or a script, waits until that is initialised", name, imp)
			}
			if pkg == "impact" && strings.Contains(strings.Split(imp, "/")[0], ".") {
				t.Errorf("%s imports %s; the model imports only the standard library", name, imp)
			}
			if pkg != "cmd/rebuild" && pkg != "cmd/rebuild/terminal" && slices.Contains(notBelow, imp) && !test {
				t.Errorf("%s imports %s; only cmd/rebuild and what it prints with speak to people", name, imp)
			}
			for what, where := range only {
				if (imp == what || strings.HasPrefix(imp, what+"/")) && !strings.HasPrefix(name, where) && !test {
					t.Errorf("%s imports %s; only %s may", name, imp, where)
				}
			}
		}
	}
}

// TestChain: a newcomer reads few packages to follow a call from the top to the bottom.
func TestChain(t *testing.T) {
	imports := ourImports(t)
	var longest func(pkg string) []string
	longest = func(pkg string) []string {
		var best []string
		for _, imp := range imports[pkg] {
			if chain := longest(imp); len(chain) > len(best) {
				best = chain
			}
		}
		return append([]string{pkg}, best...)
	}
	if chain := longest("cmd/rebuild"); len(chain) > longestChain {
		t.Errorf("a chain of %d packages: %s", len(chain), strings.Join(chain, " -> "))
	} else {
		t.Logf("%s", strings.Join(chain, " -> "))
	}
}

// sources gives the imports of each Go file, by slash path. It reads the files
// itself, so that the result of the test is not kept when they change.
func sources(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && p != root && d.Name() != ".."):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(p, ".go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		imports := []string{}
		for _, spec := range file.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, imp)
		}
		found[filepath.ToSlash(rel)] = imports
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 20 {
		t.Fatalf("only %d Go files found below %s", len(found), root)
	}
	return found
}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(topLevel, e.Name()) {
			t.Errorf("%s has no place at the top level", e.Name())
		}
	}
}
