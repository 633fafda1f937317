package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rebuild/impact"
)

// TestValuesAreWordedOnce: the values of a reason are looked at in argText and in configText
// alone, and what the command line gives of arguments where it is read alone. So whatever is
// printed of an argument goes through one function.
func TestValuesAreWordedOnce(t *testing.T) {
	worded := map[string][]string{
		"Old": {"argText", "configText", "reasonsText"}, "New": {"argText", "configText", "reasonsText"},
		"BuildArgs": {"query"}, "buildArgs": {"query", "images"}, "Vars": {"query"}, "vars": {"query", "images"}, "Set": {"query", "images"},
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok || isCalled(f, sel) {
					return true
				}
				if in, guarded := worded[sel.Sel.Name]; guarded && !slices.Contains(in, f.Name.Name) {
					t.Errorf("%s: %s is looked at in %s", set.Position(sel.Pos()), sel.Sel.Name, f.Name.Name)
				}
				return true
			})
		}
	}
}

// isCalled tells whether a selector names a function or a method: fl.Value.Set(x), errors.New.
func isCalled(in ast.Node, sel *ast.SelectorExpr) bool {
	called := false
	ast.Inspect(in, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok && c.Fun == ast.Expr(sel) {
			called = true
		}
		return true
	})
	return called
}

func TestArgText(t *testing.T) {
	one, two := "1", "a\nb"
	for want, r := range map[string]impact.Reason{
		"changed":                {Change: impact.Modified},
		"is new":                 {Change: impact.Added},
		"is gone":                {Change: impact.Removed},
		`changed: "1" -> "a\nb"`: {Change: impact.Modified, Old: &one, New: &two},
		`is new: "1"`:            {Change: impact.Added, New: &one},
		`is gone: it was "1"`:    {Change: impact.Removed, Old: &one},
	} {
		if got := argText(r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
