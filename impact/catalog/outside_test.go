package catalog

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestClimbing leads paths of include and extends up by any number of folders, in one step
// and by way of project_directory: nothing of a file outside comes to the catalog.
func TestClimbing(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "a", "repo")
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"env": "X=concealed\n", "compose.yaml": "services: {concealed: {image: concealed, build: .}}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const uses = "services: {a: {build: {context: ., args: {X: $X}}}}\n"
	below := strings.TrimPrefix(filepath.ToSlash(dir), "/")
	for _, n := range []int{2, 3, 5, 9, 14, 40, 127, 128, 129, 400} {
		up := strings.Repeat("../", n)
		for name, files := range map[string]tree{
			"include":    {"compose.yaml": fmt.Sprintf("include: [%s%s/compose.yaml]\n%s", up, below, uses)},
			"near":       {"compose.yaml": fmt.Sprintf("include: [%scompose.yaml]\n%s", up, uses)},
			"extends":    {"compose.yaml": fmt.Sprintf("services: {a: {extends: {file: %s%s/compose.yaml, service: concealed}}}\n", up, below)},
			"env_file":   {"compose.yaml": fmt.Sprintf("include: [{path: b.yaml, env_file: %s%s/env}]\n", up, below), "b.yaml": uses},
			"variable":   {"compose.yaml": fmt.Sprintf("include: ['${UP:-%s}%s/compose.yaml']\n%s", up, below, uses)},
			"by folders": {"compose.yaml": fmt.Sprintf("include: [{path: b.yaml, project_directory: %s}]\n", up), "b.yaml": fmt.Sprintf("include: [{path: c.yaml, project_directory: %s}]\n", up), "c.yaml": fmt.Sprintf("include: [{path: %s%s/compose.yaml}]\n%s", up, below, uses)},
		} {
			cat, err := Load(context.Background(), files, Options{Root: root, Env: none})
			if said := fmt.Sprintf("%v %+v", err, cat); err == nil || strings.Contains(said, "concealed") {
				t.Errorf("%s by %d: %s", name, n, said)
			}
		}
	}
}
