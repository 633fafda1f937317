package tree

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"rebuild/impact"
)

// TestFoldersRead: a tree lists the folders in which something must happen for it to
// answer something else, and no others.
func TestFoldersRead(t *testing.T) {
	root := t.TempDir()
	for _, p := range []string{"src/sub/a.txt", "src/gone/b.txt", "real/c.txt", "docs/d.md", "elsewhere/deep/e.txt", "match1/f.txt", "vendor/big/g.txt"} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(p)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, p), []byte(p), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("real", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	for name, c := range map[string]struct {
		sel  impact.Selection
		want []string // beside the root
	}{
		"a folder":             {all("/src"), []string{"src", "src/gone", "src/sub"}},
		"an ignored folder":    {impact.Selection{Context: ".", Path: "/src", Ignore: impact.Ignore{Patterns: []string{"src/gone"}}}, []string{"src", "src/sub"}},
		"a file":               {all("/docs/d.md"), []string{"docs"}},
		"behind a link":        {impact.Selection{Context: ".", Path: "/link/c.txt", Follow: true}, []string{"real"}},
		"wildcards":            {wild("/match*/f.txt"), []string{"match1"}},
		"what is not there":    {all("/src/none/x"), []string{"src"}},
		"a context elsewhere":  {impact.Selection{Context: outside, Path: "/"}, []string{outside, filepath.Dir(outside)}},
		"a context of its own": {impact.Selection{Context: "docs", Path: "/d.md"}, []string{"docs"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := Folder(root, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Read(t.Context(), c.sel); err != nil {
				t.Fatal(err)
			}
			want := []string{w.root}
			for _, dir := range c.want {
				if !filepath.IsAbs(dir) {
					dir = filepath.Join(w.root, dir)
				}
				want = append(want, dir)
			}
			slices.Sort(want)
			if got := w.FoldersRead(); !slices.Equal(got, want) {
				t.Errorf("%q\nwant %q", got, want)
			}
		})
	}
}
