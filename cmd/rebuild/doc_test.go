package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocComments: no exported name without a doc comment. In a group the group's own
// comment, or one at the end of the line, serves.
func TestDocComments(t *testing.T) {
	root := filepath.Join("..", "..")
	for name := range sources(t, root) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, filepath.Join(root, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range undocumented(file) {
			t.Errorf("%s:%d: %s has no doc comment", name, files.Position(id.Pos()).Line, id.Name)
		}
	}
}

func undocumented(file *ast.File) (list []*ast.Ident) {
	note := func(id *ast.Ident, comments ...*ast.CommentGroup) {
		for _, c := range comments {
			if c.Text() != "" {
				return
			}
		}
		if id.IsExported() {
			list = append(list, id)
		}
	}
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil || exportedType(d.Recv.List[0].Type) {
				note(d.Name, d.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					note(s.Name, s.Doc, s.Comment, d.Doc)
				case *ast.ValueSpec:
					for _, id := range s.Names {
						note(id, s.Doc, s.Comment, d.Doc)
					}
				}
			}
		}
	}
	return list
}

// exportedType tells whether a receiver's type can be seen from outside.
func exportedType(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.StarExpr:
		return exportedType(e.X)
	case *ast.IndexExpr:
		return exportedType(e.X)
	case *ast.Ident:
		return e.IsExported()
	}
	return false
}
