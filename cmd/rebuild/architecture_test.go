package main

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const architectureFile = "../../docs/architecture.md"

// TestArchitecture holds the picture in docs/architecture.md against the imports of the
// code; -update draws it anew. Each package must also stand in the table of rooms.
func TestArchitecture(t *testing.T) {
	data, err := os.ReadFile(architectureFile)
	if err != nil {
		t.Fatal(err)
	}
	imports := ourImports(t)
	before, rest, begins := strings.Cut(string(data), "<!-- imports -->\n")
	_, after, ends := strings.Cut(rest, "<!-- end of imports -->")
	if !begins || !ends {
		t.Fatalf("%s: the place of the picture is not marked", architectureFile)
	}
	want := before + "<!-- imports -->\n" + mermaid(imports) + "<!-- end of imports -->" + after
	switch {
	case want == string(data):
	case *update:
		if err := os.WriteFile(architectureFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s does not show the imports of the code: go test ./cmd/rebuild -run TestArchitecture -update", architectureFile)
	}
	for pkg := range imports {
		if !strings.Contains(want, "\n| `"+pkg+"` |") {
			t.Errorf("%s: the table of rooms lacks %s", architectureFile, pkg)
		}
	}
}

// ourImports gives what each package of ours imports of ours, without packages for tests.
func ourImports(t *testing.T) map[string][]string {
	t.Helper()
	imports := map[string][]string{}
	for name, list := range sources(t, filepath.Join("..", "..")) {
		pkg := path.Dir(name)
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(pkg, "test") {
			continue
		}
		ours := imports[pkg]
		for _, imp := range list {
			if imp, ok := strings.CutPrefix(imp, module+"/"); ok && !slices.Contains(ours, imp) {
				ours = append(ours, imp)
			}
		}
		imports[pkg] = ours
	}
	return imports
}

// mermaid draws the imports, but for those that a longer way shows too.
func mermaid(imports map[string][]string) string {
	var reaches func(from, to string) bool
	reaches = func(from, to string) bool {
		return from == to || slices.ContainsFunc(imports[from], func(imp string) bool { return reaches(imp, to) })
	}
	var b strings.Builder
	b.WriteString("```mermaid\ngraph TD\n")
	for _, pkg := range slices.Sorted(maps.Keys(imports)) {
		for _, imp := range slices.Sorted(slices.Values(imports[pkg])) {
			longer := slices.ContainsFunc(imports[pkg], func(other string) bool { return other != imp && reaches(other, imp) })
			if !longer {
				fmt.Fprintf(&b, "  %s --> %s\n", pkg, imp)
			}
		}
	}
	return b.String() + "```\n"
}
