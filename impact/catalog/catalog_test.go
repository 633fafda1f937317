package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"rebuild/impact"
)

var update = flag.Bool("update", false, "write the golden parts of testdata")

// tree is a tree of files in memory.
type tree map[string]string

func (t tree) ReadFile(_ context.Context, path string) ([]byte, error) {
	if s, ok := t[path]; ok {
		return []byte(s), nil
	}
	return nil, fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
}

// none is an environment without variables.
func none(string) (string, bool) { return "", false }

// story is one archive of testdata: a tree, options, and what comes of it.
type story struct {
	files   tree
	outside map[string]string
	opt     Options
	found   bool // the tree can be listed
}

// readStory reads an archive. The options are lines "key: value" above the
// files; files below "outside/" lie outside the tree, those named "want." are
// the golden parts.
func readStory(t *testing.T, ar *txtar.Archive) story {
	s := story{files: tree{}, outside: map[string]string{}}
	env := map[string]string{}
	for line := range strings.Lines(string(ar.Comment)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		switch key {
		case "root":
			s.opt.Root = value
		case "dir":
			s.opt.Dir = value
		case "list":
			s.found = true
		case "file":
			s.opt.Files = append(s.opt.Files, value)
		case "set":
			s.opt.Set = append(s.opt.Set, value)
		case "arg", "env", "var":
			k, v, _ := strings.Cut(value, "=")
			if key == "var" {
				if s.opt.Vars == nil {
					s.opt.Vars = map[string]string{}
				}
				s.opt.Vars[k] = v
				continue
			}
			if key == "env" {
				env[k] = v
				continue
			}
			if s.opt.BuildArgs == nil {
				s.opt.BuildArgs = map[string]string{}
			}
			s.opt.BuildArgs[k] = v
		default:
			t.Fatalf("unknown option %q", key)
		}
	}
	for _, f := range ar.Files {
		if rest, ok := strings.CutPrefix(f.Name, "outside/"); ok {
			s.outside["/"+rest] = string(f.Data)
		} else if !strings.HasPrefix(f.Name, "want.") {
			s.files[f.Name] = string(f.Data)
		}
	}
	s.opt.Env = func(k string) (string, bool) { v, ok := env[k]; return v, ok }
	s.opt.Read = func(p string) ([]byte, error) {
		if d, ok := s.outside[filepath.ToSlash(p)]; ok {
			return []byte(d), nil
		}
		return nil, fmt.Errorf("open %s: %w", p, fs.ErrNotExist)
	}
	return s
}

// TestStories loads every archive of testdata and compares with its golden part.
func TestStories(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no stories", err)
	}
	for _, file := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := readStory(t, ar)
			var files Files = s.files
			if s.found {
				files = listed{s.files}
			}
			cat, err := Load(context.Background(), files, s.opt)
			golden(t, file, ar, cat, err)
		})
	}
}

func golden(t *testing.T, file string, ar *txtar.Archive, cat impact.Catalog, err error) {
	t.Helper()
	name, got := "want.json", pretty(t, cat)
	if err != nil {
		name, got = "want.error", []byte(worded(err))
	}
	if *update {
		var files []txtar.File
		for _, f := range ar.Files {
			if !strings.HasPrefix(f.Name, "want.") {
				files = append(files, f)
			}
		}
		ar.Files = append(files, txtar.File{Name: name, Data: got})
		if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, f := range ar.Files {
		if f.Name == name && bytes.Equal(f.Data, got) {
			return
		}
	}
	t.Errorf("%s is not as in %s:\n%s", name, file, got)
}

func worded(err error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "error: %v\n", err)
	if f, ok := errors.AsType[*impact.Fault](err); ok && f.Hint != "" {
		fmt.Fprintf(&b, "hint: %s\n", f.Hint)
	}
	if errors.Is(err, ErrNoDefinition) {
		b.WriteString("(no definition)\n")
	}
	return b.String()
}

// pretty words a catalog without what is empty.
func pretty(t *testing.T, cat impact.Catalog) []byte {
	t.Helper()
	raw, err := json.Marshal(cat)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(prune(v)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			switch e := prune(e).(type) {
			case nil:
				delete(v, k)
			case string:
				if e == "" && k != "A" { // an empty argument is no absent one
					delete(v, k)
				}
			case bool:
				if !e {
					delete(v, k)
				}
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
		for i := range v {
			v[i] = prune(v[i])
		}
	}
	return v
}
