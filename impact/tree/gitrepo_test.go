package tree

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rebuild/impact"
)

// TestMain keeps the user's own git settings out of the tests.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "rebuild-home-")
	if err != nil {
		panic(err)
	}
	for k, v := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, ".config"), "GIT_CONFIG_NOSYSTEM": "1",
		"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org",
		"GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
	} {
		os.Setenv(k, v)
	}
	code := m.Run()
	os.RemoveAll(home)
	os.Exit(code)
}

// repo is a repository made by git itself.
type repo struct {
	t   testing.TB
	dir string
}

func newRepo(t testing.TB, args ...string) repo {
	t.Helper()
	r := repo{t, realPath(t, t.TempDir())}
	r.git(append([]string{"init", "-q", "-b", "main"}, args...)...)
	return r
}

func realPath(t testing.TB, p string) string {
	t.Helper()
	real, err := filepath.EvalSymlinks(p)
	if err != nil {
		t.Fatal(err)
	}
	return real
}

func (r repo) git(args ...string) string {
	r.t.Helper()
	out, err := r.try(args...)
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

func (r repo) try(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = r.dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// write makes files: "path" -> content; "path*" is executable, "path@" a symlink
// with the content as its text, "path/" a folder.
func (r repo) write(files map[string]string) repo {
	r.t.Helper()
	for name, text := range files {
		p := filepath.Join(r.dir, strings.TrimRight(name, "*@/"))
		must(r.t, os.MkdirAll(filepath.Dir(p), 0o755))
		switch name[len(name)-1] {
		case '/':
			must(r.t, os.MkdirAll(p, 0o755))
		case '@':
			must(r.t, os.RemoveAll(p))
			must(r.t, os.Symlink(text, p))
		case '*':
			must(r.t, os.WriteFile(p, []byte(text), 0o755))
			must(r.t, os.Chmod(p, 0o755))
		default:
			must(r.t, os.WriteFile(p, []byte(text), 0o644))
		}
	}
	return r
}

func (r repo) commit(message string) string {
	r.t.Helper()
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", message)
	return r.git("rev-parse", "HEAD")
}

func (r repo) open() *Repository {
	r.t.Helper()
	return openRepo(r.t, r.dir)
}

func openRepo(t testing.TB, dir string) *Repository {
	t.Helper()
	repo, err := Open(t.Context(), dir)
	must(t, err)
	t.Cleanup(func() { repo.Close() })
	return repo
}

func (r repo) worktree(view View) *Worktree {
	r.t.Helper()
	w, err := r.open().Worktree(r.t.Context(), Options{View: view, CacheDir: filepath.Join(r.dir, ".git", "rebuild")})
	must(r.t, err)
	return w
}

func (r repo) at(rev string, view View) Tree {
	r.t.Helper()
	c, err := r.open().Commit(r.t.Context(), rev, view)
	must(r.t, err)
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, tree impact.Files, sel impact.Selection) *impact.Reading {
	t.Helper()
	if sel.Context == "" {
		sel.Context = "."
	}
	r, err := tree.Read(t.Context(), sel)
	if err != nil {
		t.Fatalf("read %+v: %v", sel, err)
	}
	return r
}

// all is COPY of a path as the Dockerfile frontend writes it.
func all(p string) impact.Selection { return impact.Selection{Context: ".", Path: p, Follow: true} }

func paths(r *impact.Reading) string {
	var out []string
	for _, f := range r.Files {
		out = append(out, f.Path)
	}
	return strings.Join(out, " ")
}

// age sets all files back, so that no stat is racy, and has git look again.
func (r repo) age() {
	r.t.Helper()
	past := time.Now().Add(-time.Hour)
	must(r.t, filepath.WalkDir(r.dir, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == ".git" {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			return os.Chtimes(p, past, past)
		}
		return nil
	}))
	r.git("update-index", "-q", "--refresh")
}
