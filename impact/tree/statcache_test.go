package tree

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// swap writes other bytes without a trace in size and modification time.
func swap(t *testing.T, p, content string) {
	t.Helper()
	fi, err := os.Stat(p)
	must(t, err)
	if int64(len(content)) != fi.Size() {
		t.Fatal("the size must stay")
	}
	f, err := os.OpenFile(p, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString(content)
	must(t, err)
	must(t, f.Close())
	must(t, os.Chtimes(p, fi.ModTime(), fi.ModTime()))
}

// settled makes a cache believe that it was opened later, so that files written
// by the test itself count as settled.
func settled(w *Worktree) *Worktree {
	w.cache.moment = w.cache.moment.Add(time.Hour)
	return w
}

func folder(t *testing.T, dir, cacheDir string) *Worktree {
	t.Helper()
	w, err := Folder(dir, Options{CacheDir: cacheDir})
	must(t, err)
	return w
}

func TestStatCache(t *testing.T) {
	dir, cacheDir := realPath(t, t.TempDir()), t.TempDir()
	r := repo{t, dir}
	r.write(map[string]string{"a": "aaa", "b": "bbb", "sub/c": "ccc"})
	w := settled(folder(t, dir, cacheDir))
	first := read(t, w, all("/"))
	must(t, w.Save())

	w = folder(t, dir, cacheDir)
	if len(w.cache.old) != 3 {
		t.Fatalf("saved: %v", w.cache.old)
	}
	if got := read(t, w, all("/")); got.Digest != first.Digest {
		t.Error("the cache changes nothing")
	}
	if len(w.cache.fresh) != 0 {
		t.Errorf("read again: %v", w.cache.fresh)
	}
	before := modTime(t, w.cache.file)
	must(t, w.Save())
	if modTime(t, w.cache.file) != before {
		t.Error("written without need")
	}

	// Another inode or change time, with the size and time of before, is another file.
	swap(t, filepath.Join(dir, "a"), "AAA")
	if got := read(t, folder(t, dir, cacheDir), all("/a")); got.Files[0].Digest != sha1Format.blob([]byte("AAA")) {
		t.Error("a write with its times put back goes unnoticed")
	}

	// What nobody asked for is carried along, and what has a new stat replaced.
	r.write(map[string]string{"b": "longer"})
	w = settled(folder(t, dir, cacheDir))
	read(t, w, all("/b"))
	must(t, w.Save())
	w = folder(t, dir, cacheDir)
	if got := len(w.cache.old); got != 3 {
		t.Errorf("%d records", got)
	}
	read(t, w, all("/sub"))
	if len(w.cache.fresh) != 0 {
		t.Error("carried record not used")
	}
}

func modTime(t *testing.T, p string) time.Time {
	t.Helper()
	fi, err := os.Stat(p)
	must(t, err)
	return fi.ModTime()
}

// TestRacyFile is not remembered: it could be written again within the same tick.
func TestRacyFile(t *testing.T) {
	dir, cacheDir := realPath(t, t.TempDir()), t.TempDir()
	w := folder(t, dir, cacheDir)
	repo{t, dir}.write(map[string]string{"new": "1"})
	read(t, w, all("/"))
	if len(w.cache.fresh) != 0 {
		t.Error("a file newer than the cache's moment was remembered")
	}
	moment := time.Unix(1000, 5e8)
	for _, c := range []struct {
		mtime, ctime time.Time
		want         bool
	}{
		{moment.Add(-1), time.Time{}, true},
		{moment, time.Time{}, false},
		{moment.Add(1), time.Time{}, false},
		{moment.Add(-time.Hour - 1), moment, false}, // touched, its time put back
		{time.Unix(999, 0), time.Time{}, false},     // may be a clock of whole seconds
		{time.Unix(998, 0), time.Time{}, true},
	} {
		st := stat{mtime: c.mtime.UnixNano()}
		if !c.ctime.IsZero() {
			st.ctime = c.ctime.UnixNano()
		}
		if got := st.settledBefore(moment); got != c.want {
			t.Errorf("%v %v: %v", c.mtime, c.ctime, got)
		}
	}
}

func TestDamagedStatCache(t *testing.T) {
	dir, cacheDir := realPath(t, t.TempDir()), t.TempDir()
	repo{t, dir}.write(map[string]string{"a": "aaa", "b": "bbb"})
	w := settled(folder(t, dir, cacheDir))
	want := read(t, w, all("/")).Digest
	must(t, w.Save())
	whole, err := os.ReadFile(w.cache.file)
	must(t, err)
	rnd := rand.New(rand.NewPCG(1, 1))
	damaged := [][]byte{nil, []byte("x"), whole[:len(whole)/2], append([]byte("other "), whole...)}
	for range 200 {
		d := append([]byte{}, whole...)
		d[rnd.IntN(len(d))] ^= byte(1 + rnd.IntN(255))
		damaged = append(damaged, d)
	}
	for _, d := range damaged {
		must(t, os.WriteFile(w.cache.file, d, 0o644))
		again := folder(t, dir, cacheDir)
		if len(again.cache.old) != 0 {
			t.Fatal("damaged file was used")
		}
		if got := read(t, again, all("/")); got.Digest != want {
			t.Fatal("damaged file changed the answer")
		}
	}
	// Another tree's cache is not ours.
	must(t, os.WriteFile(w.cache.file, whole, 0o644))
	if c := loadStatCache(cacheDir, filepath.Base(w.cache.file), "other\x00sha1", sha1Format); len(c.old) != 0 {
		t.Error("foreign cache was used")
	}
	if c := loadStatCache(cacheDir, filepath.Base(w.cache.file), dir+"\x00sha1", sha1Format); len(c.old) != 2 {
		t.Error("the whole file is good")
	}
}

func FuzzStatCache(f *testing.F) {
	c := &statCache{mark: "m", idSize: 20}
	f.Add(c.encode([]statRecord{{path: "a", id: strings.Repeat("x", 20)}}))
	f.Fuzz(func(t *testing.T, data []byte) { c.decode(string(data)) })
}

// TestCacheThatCannotBeWritten is no error until somebody wants to save it.
func TestCacheThatCannotBeWritten(t *testing.T) {
	dir := realPath(t, t.TempDir())
	repo{t, dir}.write(map[string]string{"a": "aaa", "file": ""})
	w := folder(t, dir, filepath.Join(dir, "file", "cache"))
	read(t, w, all("/a"))
	must(t, w.Save())
}

// TestIndexSeeds reads no file that git knows to be clean. What is read is there in
// the cache.
func TestIndexSeeds(t *testing.T) {
	r := base(t)
	r.age()
	sel := all("/")
	sel.Ignore.Patterns = []string{".git"} // git's own files are not in its index
	for _, view := range []View{Git, Bytes} {
		w := settled(r.worktree(view))
		read(t, w, sel)
		if len(w.cache.fresh) != 0 {
			t.Errorf("%v: read %v", view, w.cache.fresh)
		}
	}
	r.write(map[string]string{"a/one": "changed\n", "new": "new\n"})
	for _, view := range []View{Git, Bytes} {
		w := settled(r.worktree(view))
		read(t, w, sel)
		if len(w.cache.fresh) != 2 {
			t.Errorf("%v: read %v", view, w.cache.fresh)
		}
	}
	// Where a conversion may apply, the index doesn't tell the bytes.
	r.write(map[string]string{"a/.gitattributes": "* text=auto\n"})
	w := settled(r.worktree(Bytes))
	read(t, w, sel)
	for p := range w.cache.fresh {
		if !strings.HasPrefix(p, "a/") && p != "new" {
			t.Errorf("read %s", p)
		}
	}
	if len(w.cache.fresh) != 4 {
		t.Errorf("read %v", w.cache.fresh)
	}
}

// TestRacyIndex has a file that was written in the tick in which git wrote its
// index: only its content tells that it changed.
func TestRacyIndex(t *testing.T) {
	r := newRepo(t)
	r.write(map[string]string{"f": "one\n"})
	r.commit("one")
	want := sha1Format.blob([]byte("two\n"))
	// The same size, and all times as the index has them, as far as they can be set.
	fi, err := os.Stat(filepath.Join(r.dir, ".git/index"))
	must(t, err)
	must(t, os.Chtimes(filepath.Join(r.dir, "f"), fi.ModTime(), fi.ModTime()))
	r.git("update-index", "-q", "--refresh")
	swap(t, filepath.Join(r.dir, "f"), "two\n")
	for _, view := range []View{Git, Bytes} {
		if got := read(t, r.worktree(view), all("/f")).Files[0].Digest; got != want {
			t.Errorf("%v: %s", view, got)
		}
	}
	ix := &index{moment: time.Unix(100, 7)}
	for mtime, want := range map[int64]bool{100e9 + 6: true, 100e9 + 7: false, 100e9 + 8: false} {
		e := &indexEntry{mtime: mtime, size: 4}
		if got := ix.clean(e, stat{mtime: mtime, size: 4}); got != want {
			t.Errorf("mtime %d: clean %v", mtime, got)
		}
	}
	for name, e := range map[string]indexEntry{
		"stage": {mtime: 5, stage: 1}, "intent to add": {mtime: 5, intentAdd: true}, "size": {mtime: 5, size: 1}, "no stat": {},
		"inode": {mtime: 5, inode: 3}, "ctime": {mtime: 5, ctime: 3},
	} {
		if ix.clean(&e, stat{mtime: e.mtime, ctime: 9, inode: 9}) {
			t.Errorf("%s: clean", name)
		}
	}
}

func FuzzIndex(f *testing.F) {
	r := newRepo(f)
	for i := range 5 {
		r.write(map[string]string{fmt.Sprintf("dir%d/file", i): "x"})
	}
	r.commit("one")
	for _, v := range []string{"2", "4"} {
		r.git("update-index", "--index-version="+v)
		data, err := os.ReadFile(filepath.Join(r.dir, ".git/index"))
		must(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if ix, err := parseIndex(data, sha1Format); err == nil {
			ix.below("dir1")
			ix.find("dir2/file")
		}
	})
}
