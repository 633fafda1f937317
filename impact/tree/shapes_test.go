package tree

import (
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tonistiigi/fsutil"

	"rebuild/impact"
)

// base is a repository with one of everything, of two commits.
func base(t *testing.T, args ...string) repo {
	r := newRepo(t, args...)
	r.write(map[string]string{
		"a/one": "1\n", "a/two*": "2\n", "a/link@": "one", "a.b": "sorts before a/", "top": "t\n",
		"l@": "a", ".gitignore": "*.log\nbuilt/\n", "ünï cödé/x": "x\n", "deep/er/f": "f\n",
	})
	r.commit("one")
	r.write(map[string]string{"a/one": "11\n"})
	r.commit("two")
	r.git("tag", "-a", "-m", "tagged", "v1", "HEAD~1")
	return r
}

// shapes are the ways in which a repository can lie there; each must read the same.
var shapes = map[string]func(t *testing.T) repo{
	"plain":  func(t *testing.T) repo { return base(t) },
	"packed": func(t *testing.T) repo { r := base(t); r.git("gc", "-q"); return r },
	"linked worktree": func(t *testing.T) repo {
		r := base(t)
		dir := filepath.Join(realPath(t, t.TempDir()), "linked")
		r.git("worktree", "add", "-q", "-b", "side", dir)
		return repo{t, dir}
	},
	"shallow": func(t *testing.T) repo {
		r := base(t)
		dir := filepath.Join(realPath(t, t.TempDir()), "shallow")
		r.git("clone", "-q", "--depth=2", "file://"+r.dir, dir)
		return repo{t, dir}
	},
	"partial": func(t *testing.T) repo {
		r := base(t)
		r.git("config", "uploadpack.allowFilter", "true")
		dir := filepath.Join(realPath(t, t.TempDir()), "partial")
		r.git("clone", "-q", "--filter=blob:none", "file://"+r.dir, dir)
		return repo{t, dir}
	},
	"sha256": func(t *testing.T) repo { return base(t, "--object-format=sha256") },
	"sparse": func(t *testing.T) repo {
		r := base(t)
		r.git("sparse-checkout", "set", "--cone", "deep")
		return r
	},
	"sparse index": func(t *testing.T) repo {
		r := base(t)
		r.git("sparse-checkout", "set", "--cone", "--sparse-index", "deep")
		return r
	},
	"split index": func(t *testing.T) repo {
		r := base(t)
		r.git("update-index", "--split-index")
		r.write(map[string]string{"top": "t\n"})
		r.git("add", "-A")
		return r
	},
	"alternates": func(t *testing.T) repo {
		r := base(t)
		dir := filepath.Join(realPath(t, t.TempDir()), "shared")
		r.git("clone", "-q", "--shared", r.dir, dir)
		return repo{t, dir}
	},
	"index v4": func(t *testing.T) repo {
		r := base(t)
		r.git("update-index", "--index-version=4")
		return r
	},
	"separate git dir": func(t *testing.T) repo {
		return base(t, "--separate-git-dir="+filepath.Join(t.TempDir(), "git"))
	},
	"core.worktree": func(t *testing.T) repo {
		r := base(t)
		dir := filepath.Join(realPath(t, t.TempDir()), "elsewhere")
		must(t, os.MkdirAll(dir, 0o755))
		must(t, os.Rename(filepath.Join(r.dir, ".git"), filepath.Join(dir, "repository")))
		r.write(map[string]string{".git": "gitdir: " + filepath.Join(dir, "repository") + "\n"})
		r.git("config", "core.worktree", r.dir)
		return r
	},
	"commit graph": func(t *testing.T) repo { r := base(t); r.git("commit-graph", "write", "--reachable"); return r },
	"replace": func(t *testing.T) repo {
		r := newRepo(t)
		r.write(map[string]string{"wrong": "content"})
		r.commit("wrong")
		r.git("rm", "-q", "wrong")
		r.write(map[string]string{
			"a/one": "1\n", "a/two*": "2\n", "a/link@": "one", "a.b": "sorts before a/", "top": "t\n",
			"l@": "a", ".gitignore": "*.log\nbuilt/\n", "ünï cödé/x": "x\n", "deep/er/f": "f\n",
		})
		right := r.commit("right")
		r.git("checkout", "-q", "HEAD~1")
		r.git("replace", "HEAD", right)
		r.git("reset", "-q", "--hard")
		r.git("checkout", "-q", "-B", "main")
		r.write(map[string]string{"a/one": "11\n"})
		r.commit("two")
		r.git("tag", "-a", "-m", "tagged", "v1", "HEAD~1")
		return r
	},
}

// backends are the two implementations of objects.
var backends = map[string]func(*Repository) objects{
	"as chosen": func(r *Repository) objects { return r.openObjects() },
	"program":   func(r *Repository) objects { return newProgramObjects(r) },
	"go-git": func(r *Repository) objects {
		lib, err := openGoGit(r.Root)
		if err != nil {
			return nil
		}
		return lib
	},
}

func TestShapes(t *testing.T) {
	const want = ".gitignore a a.b a/link a/one a/two deep deep/er deep/er/f l top ünï cödé ünï cödé/x"
	var digests [2]map[View]string // by commit; sha256 has ids of its own
	for i := range digests {
		digests[i] = map[View]string{}
	}
	for name, make := range shapes {
		t.Run(name, func(t *testing.T) {
			r := make(t)
			// In sorted order: what is chosen comes first, and fetches what a partial clone lacks.
			for _, backend := range slices.Sorted(maps.Keys(backends)) {
				objectsOf := backends[backend]
				t.Run(backend, func(t *testing.T) {
					repo := r.open()
					o := objectsOf(repo)
					if backend == "go-git" && (o == nil || repo.onlyGit() != "") {
						t.Skip("only for git: " + repo.onlyGit())
					}
					repo.objects = func() objects { return o }
					for i, rev := range []string{"v1", "HEAD"} {
						for _, view := range []View{Git, Bytes} {
							c, err := repo.Commit(t.Context(), rev, view)
							must(t, err)
							got := read(t, c, all("/"))
							if paths(got) != want {
								t.Errorf("%s %v: files %s", rev, view, paths(got))
							}
							key := string(got.Digest)
							if name == "sha256" {
								continue
							}
							if before := digests[i][view]; before != "" && before != key {
								t.Errorf("%s %v: digest %s, elsewhere %s", rev, view, key, before)
							}
							digests[i][view] = key
							text, err := c.ReadFile(t.Context(), "l/link")
							if err != nil || string(text) != strings.Repeat("1", i+1)+"\n" {
								t.Errorf("%s: l/link: %q %v", rev, text, err)
							}
						}
					}
					if _, err := repo.Resolve(t.Context(), "nowhere"); !isRevisionError(err) {
						t.Errorf("resolve nowhere: %v", err)
					}
				})
			}

			t.Run("worktree", func(t *testing.T) {
				w, c := r.worktree(Git), r.at("HEAD", Git)
				for _, p := range []string{"/", "/a", "/l", "/deep", "/top", "/a/link"} {
					if got, want := read(t, w, all(p)), read(t, c, all(p)); got.Digest != want.Digest || paths(got) != paths(want) {
						t.Errorf("clean worktree, %s: differs from HEAD: %v", p, impact.Diff(want.Files, got.Files))
					}
				}
				if strings.HasPrefix(name, "sparse") {
					if got := paths(read(t, r.worktree(Bytes), all("/deep"))); got != "deep deep/er deep/er/f" {
						t.Errorf("bytes: %s", got)
					}
					w, c := r.worktree(Bytes), r.at("HEAD", Bytes)
					if got, want := read(t, w, all("/")), read(t, c, all("/")); got.Digest == want.Digest {
						t.Error("bytes: .git lies in the working tree alone")
					}
					for _, p := range []string{"/a", "/l", "/deep", "/top", "/a/link"} {
						if got, want := read(t, w, all(p)), read(t, c, all(p)); got.Digest != want.Digest || paths(got) != paths(want) {
							t.Errorf("bytes, %s: differs from HEAD: %v", p, impact.Diff(want.Files, got.Files))
						}
					}
					for _, dir := range []string{".", "a", "l", "deep"} {
						got, err := w.Context(t.Context(), dir)
						must(t, err)
						want, err := c.Context(t.Context(), dir)
						must(t, err)
						got, err = fsutil.NewFilterFS(got, &fsutil.FilterOpt{ExcludePatterns: []string{".git"}})
						must(t, err)
						if g, w := walk(t, got), walk(t, want); g != w {
							t.Errorf("context %s: %s, the commit's: %s", dir, g, w)
						}
					}
					ctx, err := w.Context(t.Context(), "a")
					must(t, err)
					f, err := ctx.Open("one")
					must(t, err)
					if text, err := io.ReadAll(f); err != nil || string(text) != "11\n" {
						t.Errorf("a/one: %q %v", text, err)
					}
					return
				}
				r.write(map[string]string{"a/one": "111\n", "new": "n", "x.log": "ignored"})
				w = r.worktree(Git)
				changes := impact.Diff(read(t, c, all("/")).Files, read(t, w, all("/")).Files)
				want := []impact.Change{{Path: "a/one", Change: "modified"}, {Path: "new", Change: "added"}}
				if len(changes) != 2 || changes[0] != want[0] || changes[1] != want[1] {
					t.Errorf("changes: %v", changes)
				}
				if f := read(t, r.worktree(Bytes), all("/x.log")); f.Missing != "" {
					t.Error("bytes: x.log is there")
				}
			})
		})
	}
}

func isRevisionError(err error) bool {
	e := (*RevisionError)(nil)
	return errors.As(err, &e)
}

func TestOpen(t *testing.T) {
	r := base(t)
	got := openRepo(t, filepath.Join(r.dir, "deep", "er"))
	if got.Root != r.dir || got.Prefix != "deep/er" || got.GitDir != filepath.Join(r.dir, ".git") || got.CommonDir != got.GitDir {
		t.Errorf("%+v", got)
	}
	if got := r.open(); got.Prefix != "." {
		t.Errorf("prefix of the root: %q", got.Prefix)
	}
	if _, err := Open(t.Context(), t.TempDir()); !errors.Is(err, ErrNotRepository) {
		t.Errorf("no repository: %v", err)
	}
	if _, err := Open(t.Context(), filepath.Join(r.dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	bare := realPath(t, t.TempDir())
	repo{t, bare}.git("init", "-q", "--bare")
	if got := openRepo(t, bare); !got.Bare || got.Root != bare || got.GitDir != bare || got.CommonDir != bare || got.Prefix != "." {
		t.Errorf("bare: %+v", got)
	}
}

// TestHookEnvironment runs with what git sets for its hooks: another repository.
func TestHookEnvironment(t *testing.T) {
	r, other := base(t), newRepo(t)
	other.write(map[string]string{"other": "o"})
	other.commit("other")
	t.Setenv("GIT_DIR", filepath.Join(other.dir, ".git"))
	t.Setenv("GIT_WORK_TREE", other.dir)
	t.Setenv("GIT_INDEX_FILE", filepath.Join(other.dir, ".git", "index"))
	t.Setenv("GIT_PREFIX", "deep/")
	repo := openRepo(t, r.dir)
	for _, backend := range []string{"as chosen", "program"} {
		o := backends[backend](repo)
		repo.objects = func() objects { return o }
		c, err := repo.Commit(t.Context(), "HEAD", Git)
		must(t, err)
		if got := paths(read(t, c, all("/a"))); got != "a a/link a/one a/two" {
			t.Errorf("%s: %s", backend, got)
		}
	}
	w, err := repo.Worktree(t.Context(), Options{View: Git})
	must(t, err)
	must(t, os.WriteFile(filepath.Join(r.dir, "x.log"), nil, 0o644))
	if got := read(t, w, all("/")); strings.Contains(paths(got), "log") || strings.Contains(paths(got), "other") {
		t.Error(paths(got))
	}
}

// TestPartialCloneOffline needs no blob to compare commits: ids are enough.
func TestPartialCloneOffline(t *testing.T) {
	r := base(t)
	r.git("config", "uploadpack.allowFilter", "true")
	clone := repo{t, filepath.Join(realPath(t, t.TempDir()), "partial")}
	r.git("clone", "-q", "--no-checkout", "--filter=blob:none", "file://"+r.dir, clone.dir)
	must(t, os.Rename(filepath.Join(r.dir, ".git"), filepath.Join(r.dir, "gone")))
	if got := read(t, clone.at("v1", Git), all("/")); len(got.Files) != 13 {
		t.Errorf("%d files", len(got.Files))
	}
	if _, err := clone.at("HEAD", Git).ReadFile(t.Context(), "top"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a blob that can't be fetched is no missing file: %v", err)
	}
}

// TestUnplainNames: a tree object that leads out of its folder, or into git's own, is an
// error, and nothing is written by it.
func TestUnplainNames(t *testing.T) {
	for _, name := range []string{"..", ".", ".git", ".GIT", "a/b", ".git.", ".Git  ", "git~1", "GIT~1. .", ".git::$INDEX_ALLOCATION", ".git\\x", ".g\u200cit", "\ufeff.GIT"} {
		r := newRepo(t).write(map[string]string{"f": "* text\n"})
		blob := r.git("hash-object", "-w", "f")
		id, err := hex.DecodeString(blob)
		must(t, err)
		inner := r.object("100644 .gitattributes\x00" + string(id))
		id, err = hex.DecodeString(inner)
		must(t, err)
		outer := r.object("40000 " + name + "\x00" + string(id))
		commit := r.git("commit-tree", "-m", "x", outer)
		for _, view := range []View{Git, Bytes} {
			_, err := r.at(commit, view).Read(t.Context(), all("/"))
			if err == nil || !strings.Contains(err.Error(), "is not a plain name") {
				t.Errorf("%q: the error is %v", name, err)
			}
		}
	}
}

// TestPlainNames: what only looks like git's own folder is a name like any other.
func TestPlainNames(t *testing.T) {
	for _, name := range []string{".gitx", ".git-blame", ".gitignore", "git~2", "git", "x.git", ".git~1", "...", "git~1x", "\u200c"} {
		if !plain(name) {
			t.Errorf("%q is refused", name)
		}
	}
}

// object writes a tree that git itself would not make.
func (r repo) object(tree string) string {
	r.t.Helper()
	file := filepath.Join(r.t.TempDir(), "tree")
	must(r.t, os.WriteFile(file, []byte(tree), 0o644))
	return r.git("hash-object", "-w", "-t", "tree", "--literally", file)
}
