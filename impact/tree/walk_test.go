package tree

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// walk lists a build context, folders with a slash, and reads every file.
func walk(t testing.TB, f fsutil.FS) string {
	t.Helper()
	var out []string
	for p, st := range stats(t, f) {
		_ = st
		out = append(out, p)
	}
	return strings.Join(sorted(out), " ")
}

func stats(t testing.TB, f fsutil.FS) map[string]*types.Stat {
	t.Helper()
	out := map[string]*types.Stat{}
	must(t, f.Walk(t.Context(), "/", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		st := fi.Sys().(*types.Stat)
		if d.IsDir() {
			p += "/"
		}
		if fi.Mode().IsRegular() && st.Linkname == "" {
			r, err := f.Open(st.Path)
			if err != nil {
				return err
			}
			data, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			if int64(len(data)) != st.Size {
				t.Errorf("%s: size %d, content %d", p, st.Size, len(data))
			}
			r.Close()
		}
		out[p] = st
		return nil
	}))
	return out
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

// TestContextOfCommit checks what the file sync of a commit sends.
func TestContextOfCommit(t *testing.T) {
	r := base(t)
	ctx, err := r.at("HEAD", Git).Context(t.Context(), "a")
	must(t, err)
	now := stats(t, ctx)
	ctx, err = r.at("HEAD~1", Git).Context(t.Context(), "l") // a link to a
	must(t, err)
	then := stats(t, ctx)
	for p, want := range map[string]uint32{"one": 0o644, "two": 0o755, "link": uint32(fs.ModeSymlink | 0o777)} {
		if now[p] == nil || now[p].Mode != want {
			t.Errorf("%s: %v", p, now[p])
		}
	}
	if now["one"].ModTime == then["one"].ModTime {
		t.Error("another content has another time")
	}
	if now["two"].ModTime != then["two"].ModTime {
		t.Error("the same content has the same time")
	}
	if now["link"].Linkname != "one" {
		t.Error(now["link"])
	}
	if _, err := r.at("HEAD", Git).Context(t.Context(), "nowhere"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such folder: %v", err)
	}
	whole, err := r.at("HEAD", Git).Context(t.Context(), ".")
	must(t, err)
	if got := walk(t, whole); got != ".gitignore a.b a/ a/link a/one a/two deep/ deep/er/ deep/er/f l top ünï cödé/ ünï cödé/x" {
		t.Error(got)
	}
	// As BuildKit's FollowPaths uses it.
	onDisk, err := fsutil.NewFS(r.dir)
	must(t, err)
	follow := []string{"l/one", "nowhere", "a/*", "to"}
	got, err := fsutil.FollowLinks(whole, follow)
	must(t, err)
	want, err := fsutil.FollowLinks(onDisk, follow)
	must(t, err)
	if !slices.Equal(got, want) {
		t.Errorf("%q, on the disk %q", got, want)
	}
}

// TestStateIsHidden keeps the program's own files out of what it watches.
func TestStateIsHidden(t *testing.T) {
	r := base(t)
	state := r.open().StateDir()
	r.write(map[string]string{".git/rebuild/records/x": "1"})
	if state != filepath.Join(r.dir, ".git", "rebuild") {
		t.Fatal(state)
	}
	before := read(t, r.worktree(Bytes), all("/"))
	r.write(map[string]string{".git/rebuild/records/x": "2", ".git/rebuild/y": ""})
	if read(t, r.worktree(Bytes), all("/")).Digest != before.Digest {
		t.Error("a record changed the tree")
	}
	for _, dir := range []string{".", ".git"} {
		ctx, err := r.worktree(Bytes).Context(t.Context(), dir)
		must(t, err)
		if got := walk(t, ctx); strings.Contains(got, "rebuild") {
			t.Error("context " + dir + ": " + got)
		} else if !strings.Contains(got, "HEAD") {
			t.Error("git's own files are in the context")
		}
	}
}
