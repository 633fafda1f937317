package tree

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"testing"
)

// large is a repository of n files, 20 in a folder, as git knows them clean.
func large(b testing.TB, n int) repo {
	b.Helper()
	r := newRepo(b)
	for i := range n {
		p := filepath.Join(r.dir, fmt.Sprintf("d%02d/e%03d/file%05d.txt", i/20%50, i/1000, i))
		must(b, os.MkdirAll(filepath.Dir(p), 0o755))
		must(b, os.WriteFile(p, fmt.Appendf(nil, "%d\n", i), 0o644))
	}
	r.git("config", "gc.auto", "0")
	r.git("config", "maintenance.auto", "false")
	r.commit("many")
	r.age()
	return r
}

// BenchmarkWorktree reads a whole context of 20,000 clean files, from opening the
// repository to the digest.
func BenchmarkWorktree(b *testing.B) {
	r := large(b, 20_000)
	for _, view := range []View{Bytes, Git} {
		for name, patterns := range map[string][]string{"all": {".git"}, "ignore file": {".git", "**/*.md", "*.log", "**/node_modules", "d1*/e00*", "!d10/e001"}} {
			b.Run(view.String()+"/"+name, func(b *testing.B) {
				for b.Loop() {
					read(b, r.worktree(view), ignoring(all("/"), patterns...))
				}
			})
		}
	}
	b.Run("one folder", func(b *testing.B) {
		for b.Loop() {
			read(b, r.worktree(Git), all("/d00/e000"))
		}
	})
	b.Run("git diff --name-only", func(b *testing.B) {
		for b.Loop() {
			r.git("diff", "--name-only", "HEAD")
		}
	})
}

// BenchmarkStatCache has no index that knows the files.
func BenchmarkStatCache(b *testing.B) {
	r := large(b, 20_000)
	cacheDir := b.TempDir()
	open := func() *Worktree {
		w, err := Folder(r.dir, Options{CacheDir: cacheDir})
		must(b, err)
		return w
	}
	sel := ignoring(all("/"), ".git")
	w := settled(open())
	read(b, w, sel)
	must(b, w.Save())
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			if w := open(); len(w.cache.old) != 20_000 {
				b.Fatal(len(w.cache.old))
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			read(b, open(), sel)
		}
	})
}

func BenchmarkIndex(b *testing.B) {
	r := large(b, 20_000)
	for b.Loop() {
		if _, _, err := openIndex(filepath.Join(r.dir, ".git/index"), sha1Format); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCommit reads a whole commit of 20,000 files from objects.
func BenchmarkCommit(b *testing.B) {
	r := large(b, 20_000)
	r.git("gc", "-q")
	for name, objectsOf := range backends {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				repo := r.open()
				o := objectsOf(repo)
				repo.objects = func() objects { return o }
				c, err := repo.Commit(b.Context(), "HEAD", Git)
				must(b, err)
				read(b, c, all("/"))
			}
		})
	}
	b.Run("git ls-tree -r", func(b *testing.B) {
		for b.Loop() {
			r.git("ls-tree", "-r", "HEAD")
		}
	})
}

// BenchmarkSharedSelection is a thousand images that copy the same folder.
func BenchmarkSharedSelection(b *testing.B) {
	r := large(b, 2_000)
	for b.Loop() {
		w := r.worktree(Git)
		for range 1000 {
			read(b, w, all("/d00"))
		}
	}
}

// forest is a source of many files that costs no disk.
type forest struct{ folders map[string][]*entry }

func newForest(n int) *forest {
	f := &forest{map[string][]*entry{}}
	add := func(p string, kind fs.FileMode) {
		dir := path.Dir(p)
		f.folders[dir] = append(f.folders[dir], &entry{path: p, kind: kind})
	}
	for i := range n {
		if i%10_000 == 0 {
			add(fmt.Sprintf("d%03d", i/10_000), fs.ModeDir)
		}
		if i%100 == 0 {
			add(fmt.Sprintf("d%03d/e%03d", i/10_000, i/100%100), fs.ModeDir)
		}
		add(fmt.Sprintf("d%03d/e%03d/some-longer-file-name-%06d.txt", i/10_000, i/100%100, i), 0)
	}
	return f
}

func (f *forest) list(_ context.Context, dir string) ([]*entry, error) { return f.folders[dir], nil }

func (f *forest) fill(_ context.Context, e *entry) error {
	return e.once(func() error {
		e.mode, e.digest = modeFile, sha1Format.blob([]byte(e.path))
		return nil
	})
}

func (f *forest) link(context.Context, *entry) (string, error) { return "", nil }

func (f *forest) hollow(context.Context, *entry) (bool, error) { return false, nil }

// TestMemory holds a context of 100,000 files, as two images with different ignore
// files see it, in 80 MB: a plan of two trees stays well under 200.
func TestMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := &reader{src: newForest(100_000)}
	one := read(t, r, all("/"))
	two := read(t, r, ignoring(all("/"), "*.md"))
	runtime.GC()
	runtime.ReadMemStats(&after)
	used := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) >> 20
	t.Logf("%d entries, %d MB", len(one.Files), used)
	if used > 80 || len(one.Files) != 101_010 || one.Digest != two.Digest {
		t.Errorf("%d entries, %d MB", len(one.Files), used)
	}
	runtime.KeepAlive(r)
}
