package main

import (
	"cmp"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// file is a file of an archive.
type file struct {
	Name string // a slash path
	Data []byte
	Mode fs.FileMode
}

// files gives what an archive holds, in the order of names.
func (r release) files(ctx context.Context, p platform, built string) ([]file, error) {
	notices, err := r.notices(ctx, p)
	if err != nil {
		return nil, err
	}
	files := []file{{"NOTICES", notices, 0o644}}
	add := func(name, from string, mode fs.FileMode) error {
		data, err := os.ReadFile(from)
		files = append(files, file{name, data, mode})
		return err
	}
	for _, pkg := range programs {
		name := filepath.Base(pkg)
		if p.OS == "windows" {
			name += ".exe"
		}
		if err := add(name, filepath.Join(built, name), 0o755); err != nil {
			return nil, err
		}
	}
	for name, from := range map[string]string{"LICENSE": "LICENSE", "README.md": "README.md", "CHANGELOG.md": "docs/CHANGELOG.md"} {
		if err := add(name, filepath.Join(r.Root, from), 0o644); err != nil {
			return nil, err
		}
	}
	err = filepath.WalkDir(r.manual, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(r.manual, path)
		if err != nil {
			return err
		}
		return add(strings.Replace(filepath.ToSlash(name), "man/", "man/man1/", 1), path, 0o644)
	})
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.Name, b.Name) })
	return files, err
}
