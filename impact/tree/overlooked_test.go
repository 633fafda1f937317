package tree

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"rebuild/impact"
)

// overlooked are the ways in which git sees less of a working tree than BuildKit does, or
// something else. The names are the first column of the table in docs/git.md.
var overlooked = map[string]struct {
	tell  func(repo) // of a repository with one of everything, whose files are not racy
	edit  func(repo)
	clean bool   // git calls the working tree unmodified
	want  string // what a plan against HEAD sees
	bytes bool   // a plan against the last builds sees something
}{
	"assume unchanged": {
		tell: func(r repo) { r.git("update-index", "--assume-unchanged", "a/one", "a/two") },
		edit: func(r repo) {
			r.write(map[string]string{"a/one": "other\n"})
			must(r.t, os.Remove(filepath.Join(r.dir, "a/two")))
		},
		clean: true, want: "modified a/one, removed a/two", bytes: true,
	},
	"core.ignoreStat": {
		tell: func(r repo) {
			r.git("config", "core.ignoreStat", "true")
			r.write(map[string]string{"a/one": "this\n"})
			r.commit("without stats")
		},
		edit:  func(r repo) { r.write(map[string]string{"a/one": "that\n"}) },
		clean: true, want: "modified a/one", bytes: true,
	},
	"skip worktree, by hand": {
		tell: func(r repo) { r.git("update-index", "--skip-worktree", "a/one", "a/two") },
		edit: func(r repo) {
			r.write(map[string]string{"a/one": "other\n"})
			must(r.t, os.Remove(filepath.Join(r.dir, "a/two")))
		},
		clean: true, want: "modified a/one, removed a/two", bytes: true,
	},
	"sparse checkout": {
		tell:  func(r repo) {},
		edit:  func(r repo) { r.git("sparse-checkout", "set", "--cone", "deep") },
		clean: true, want: "",
	},
	"sparse checkout, a file there all the same": {
		tell: func(r repo) { r.git("sparse-checkout", "set", "--cone", "deep") },
		edit: func(r repo) { r.write(map[string]string{"a/one": "other\n"}) },
		want: "modified a/one", bytes: true,
	},
	"core.fsmonitor": {
		tell: func(r repo) {
			monitor := filepath.Join(r.dir, ".git", "says-nothing")
			must(r.t, os.WriteFile(monitor, []byte("#!/bin/sh\nprintf 'token\\0'\n"), 0o755))
			r.git("config", "core.fsmonitor", monitor)
			r.git("update-index", "--fsmonitor")
			r.git("status")
		},
		edit:  func(r repo) { r.write(map[string]string{"a/one": "other\n"}) },
		clean: true, want: "modified a/one", bytes: true,
	},
	"core.untrackedCache, gone stale": {
		tell: func(r repo) {
			r.git("config", "core.checkStat", "minimal")
			r.git("config", "core.trustCtime", "false")
			r.still(func() {
				r.git("update-index", "--force-untracked-cache")
				r.git("status")
				r.git("status")
			})
		},
		edit:  func(r repo) { r.still(func() { r.write(map[string]string{"a/new": "n"}) }) },
		clean: true, want: "added a/new", bytes: true,
	},
	"core.checkStat, core.trustCtime": {
		tell: func(r repo) {
			r.git("config", "core.checkStat", "minimal")
			r.git("config", "core.trustCtime", "false")
		},
		edit:  func(r repo) { r.still(func() { r.write(map[string]string{"a/one": "22\n"}) }) },
		clean: true, want: "modified a/one", bytes: true,
	},
	"core.fileMode": {
		tell: func(r repo) { r.git("config", "core.fileMode", "false") },
		edit: func(r repo) {
			chmod("a/one", 0o755)(r)
			chmod("a/two", 0o644)(r)
		},
		clean: true, want: "modified a/one, modified a/two", bytes: true,
	},
	"core.symlinks": {
		tell:  func(r repo) { r.git("config", "core.symlinks", "false") },
		edit:  become("a/link", "a/link", "one"),
		clean: true, want: "", bytes: true,
	},
	"core.ignoreCase": {
		tell: func(r repo) { r.git("config", "core.ignoreCase", "true") },
		edit: func(r repo) {
			must(r.t, os.Rename(filepath.Join(r.dir, "a/one"), filepath.Join(r.dir, "a/ONE")))
		},
		want: "added a/ONE, removed a/one", bytes: true,
	},
	"core.precomposeUnicode": {
		tell: func(r repo) {
			r.git("config", "core.precomposeUnicode", "true")
			r.write(map[string]string{"a/\u00fc": "u"})
			r.commit("composed")
		},
		edit: func(r repo) {
			must(r.t, os.Rename(filepath.Join(r.dir, "a/\u00fc"), filepath.Join(r.dir, "a/u\u0308")))
		},
		want: "added a/u\u0308, removed a/\u00fc", bytes: true,
	},
	"core.autocrlf, eol, filters (LFS), ident, encodings": {
		tell: func(r repo) { r.git("config", "core.autocrlf", "true") },
		edit: func(r repo) {
			must(r.t, os.Remove(filepath.Join(r.dir, "a/one")))
			r.git("checkout", "a/one")
			if text, err := os.ReadFile(filepath.Join(r.dir, "a/one")); err != nil || string(text) != "11\r\n" {
				r.t.Errorf("a/one is %q: %v", text, err)
			}
		},
		clean: true, want: "", bytes: true,
	},
	".gitignore, info/exclude, core.excludesFile": {
		tell: func(r repo) {
			file := filepath.Join(r.dir, ".git", "ignored")
			must(r.t, os.WriteFile(file, []byte("*.mine\n"), 0o644))
			r.git("config", "core.excludesFile", file)
			must(r.t, os.WriteFile(filepath.Join(r.dir, ".git", "info", "exclude"), []byte("*.here\n"), 0o644))
		},
		edit:  func(r repo) { r.write(map[string]string{"a/x.log": "x", "a/x.mine": "x", "a/x.here": "x"}) },
		clean: true, want: "", bytes: true,
	},
	"ignored, but tracked": {
		tell: func(r repo) {
			r.write(map[string]string{"a/x.log": "x"})
			r.git("add", "-f", "a/x.log")
			r.commit("a log")
		},
		edit: func(r repo) { r.write(map[string]string{"a/x.log": "other"}) },
		want: "modified a/x.log", bytes: true,
	},
	"status.showUntrackedFiles": {
		tell:  func(r repo) { r.git("config", "status.showUntrackedFiles", "no") },
		edit:  func(r repo) { r.write(map[string]string{"a/new": "n"}) },
		clean: true, want: "added a/new", bytes: true,
	},
	"submodule.*.ignore, diff.ignoreSubmodules": {
		tell: func(r repo) {
			inner := newRepo(r.t)
			inner.write(map[string]string{"code": "1\n"})
			inner.commit("one")
			r.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner.dir, "a/sub")
			r.git("config", "submodule.a/sub.ignore", "all")
			r.git("config", "diff.ignoreSubmodules", "all")
			r.commit("a submodule")
		},
		edit:  func(r repo) { r.write(map[string]string{"a/sub/code": "2\n"}) },
		clean: true, want: "modified a/sub", bytes: true,
	},
	"a repository within, no submodule": {
		tell: func(r repo) {},
		edit: func(r repo) {
			r.write(map[string]string{"a/within/f": "f"})
			repo{r.t, filepath.Join(r.dir, "a/within")}.git("init", "-q")
		},
		want: "added a/within/f", bytes: true,
	},
	"intent to add": {
		tell: func(r repo) {},
		edit: func(r repo) {
			r.write(map[string]string{"a/new": "n"})
			r.git("add", "-N", "a/new")
		},
		want: "added a/new", bytes: true,
	},
	"an empty folder": {
		tell:  func(r repo) {},
		edit:  func(r repo) { r.write(map[string]string{"a/empty/": ""}) },
		clean: true, want: "", bytes: true,
	},
	"a folder's mode; of a file's all but the owner's x": {
		tell: func(r repo) {},
		edit: func(r repo) {
			chmod("a/one", 0o600)(r)
			chmod("a", 0o700)(r)
		},
		clean: true, want: "", bytes: true,
	},
	"a FIFO, a socket, a device": {
		tell:  func(r repo) {},
		edit:  func(r repo) { must(r.t, exec.Command("mkfifo", filepath.Join(r.dir, "a/fifo")).Run()) },
		clean: true, want: "", bytes: true,
	},
}

// still does something in the folder a that leaves no trace in times of modification.
func (r repo) still(do func()) {
	r.t.Helper()
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	do()
	for _, p := range []string{"a/one", "a", "."} {
		must(r.t, os.Chtimes(filepath.Join(r.dir, p), past, past))
	}
}

func TestOverlooked(t *testing.T) {
	for name, c := range overlooked {
		t.Run(name, func(t *testing.T) {
			r := base(t)
			r.still(func() {})
			r.git("update-index", "-q", "--refresh")
			c.tell(r)
			r.age()
			before := read(t, r.worktree(Bytes), all("/a"))
			c.edit(r)
			if clean := r.git("status", "--porcelain") == ""; clean != c.clean {
				t.Errorf("git calls it unmodified: %v\n%s", clean, r.git("status", "--porcelain"))
			}
			var changes []string
			for _, d := range diff(t, r) {
				changes = append(changes, fmt.Sprintf("%s %s", d.Change, d.Path))
			}
			if got := strings.Join(changes, ", "); got != c.want {
				t.Errorf("against HEAD: %q, not %q", got, c.want)
			}
			if after := read(t, r.worktree(Bytes), all("/a")); (after.Digest != before.Digest) != c.bytes {
				t.Errorf("against the last builds: %v", impact.Diff(before.Files, after.Files))
			}
			edited := regexp.MustCompile("modified|removed").MatchString(c.want) || name == "intent to add"
			if is, err := r.open().CheckedOut(t.Context(), r.git("rev-parse", "HEAD")); err != nil || is == edited {
				t.Errorf("HEAD is checked out: %v %v", is, err)
			}
		})
	}
}

// TestGitPage: each row of the page is held by a case, and each case has its row.
func TestGitPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "git.md"))
	must(t, err)
	var rows []string
	for _, m := range regexp.MustCompile(`(?m)^\| ([^|]+) \|`).FindAllStringSubmatch(string(text), -1) {
		if name := strings.ReplaceAll(m[1], "`", ""); name != "git is told, or knows nothing of" {
			rows = append(rows, name)
		}
	}
	slices.Sort(rows)
	if cases := slices.Sorted(maps.Keys(overlooked)); !slices.Equal(rows, cases) {
		t.Errorf("rows\n%s\ncases\n%s", strings.Join(rows, "\n"), strings.Join(cases, "\n"))
	}
}
