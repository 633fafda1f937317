package tree

import (
	"os"
	"path/filepath"
	"testing"

	"rebuild/impact"
)

func withSubmodule(t *testing.T) repo {
	inner := newRepo(t)
	inner.write(map[string]string{"lib/code": "1\n", "readme": "r\n"})
	inner.commit("one")
	r := newRepo(t)
	r.write(map[string]string{"top": "t\n"})
	r.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner.dir, "sub")
	r.commit("with a submodule")
	return r
}

func TestSubmodule(t *testing.T) {
	r := withSubmodule(t)
	sels := []impact.Selection{all("/"), all("/sub"), all("/sub/lib"), wild("/sub/l*"), {Context: ".", Path: "/", Include: []string{"sub/lib/code"}, Required: []string{"/sub/lib/code"}}, {Context: "sub", Path: "/lib", Follow: true}, {Context: "sub/lib", Path: "/", Follow: true}}
	same := func(want bool) {
		t.Helper()
		commit, worktree := r.at("HEAD", Git), r.worktree(Git)
		for _, sel := range sels {
			got, base := read(t, worktree, sel), read(t, commit, sel)
			if (got.Digest == base.Digest) != want {
				t.Errorf("%s %s: equal to the commit: %v", sel.Context, sel.Path, !want)
			}
			if got.Missing != "" {
				t.Errorf("%s %s: BuildKit finds it in the working tree", sel.Context, sel.Path)
			}
		}
	}
	same(true)
	head := r.git("rev-parse", "HEAD:sub")
	if f := read(t, r.at("HEAD", Git), all("/sub")).Files; len(f) != 1 || string(f[0].Digest) != head || f[0].Path != "sub" {
		t.Errorf("the commit's entry: %v", f)
	}
	if m := read(t, r.at("HEAD", Git), all("/sub/lib")).Missing; m != "/sub/lib" {
		t.Errorf("a commit does not hold a submodule's files: missing %q", m)
	}
	if got := paths(read(t, r.worktree(Bytes), all("/sub/lib"))); got != "sub/lib sub/lib/code" {
		t.Errorf("bytes: %s", got)
	}
	if ctx, err := r.at("HEAD", Git).Context(t.Context(), "."); err != nil {
		t.Error(err)
	} else if got := walk(t, ctx); got != ".gitmodules sub/ top" {
		t.Errorf("context of the commit: %s", got)
	}

	r.write(map[string]string{"sub/lib/code": "2\n"}) // dirty
	same(false)
	sub := repo{t, filepath.Join(r.dir, "sub")}
	sub.commit("two") // another commit than the superproject has
	same(false)
	r.commit("bump")
	same(true)

	// Not checked out: git calls it unmodified.
	r.git("submodule", "--quiet", "deinit", "-f", "sub")
	got := read(t, r.worktree(Git), all("/sub"))
	if want := read(t, r.at("HEAD", Git), all("/sub")); got.Digest != want.Digest {
		t.Error("a submodule that is not checked out is no change")
	}
	must(t, os.RemoveAll(sub.dir))
}
