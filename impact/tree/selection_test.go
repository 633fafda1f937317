package tree

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/moby/patternmatcher/ignorefile"

	"rebuild/impact"
)

// TestEdits says of one edit at a time whether a selection's digest changes. The
// same table runs against a record (bytes) and against a commit.
func TestEdits(t *testing.T) {
	start := map[string]string{
		"app/main.py": "print()\n", "app/util/u.py": "u\n", "app/link@": "util/u.py", "readme.md": "r\n", "docs/x.md": "x\n",
		"equal/one": "same\n", "equal/two": "same\n", "cur@": "equal/one", "dir@": "app", "app2/main.py": "print()\n", "app2/util/u.py": "u\n", "app2/link@": "util/u.py",
		"Dockerfile": "FROM a\n", ".gitignore": "*.log\ngen/\n", "keep/deep/f": "f\n",
	}
	const yes, no, bytesOnly = "yes", "no", "bytes"
	for _, c := range []struct {
		name string
		sel  impact.Selection
		edit func(r repo)
		want string
	}{
		{"content", all("/app"), write("app/main.py", "other\n"), yes},
		{"content in a subfolder", all("/app"), write("app/util/u.py", "v\n"), yes},
		{"content elsewhere", all("/app"), write("readme.md", "s\n"), no},
		{"same content", all("/app"), write("app/main.py", "print()\n"), no},
		{"executable", all("/app"), chmod("app/main.py", 0o755), yes},
		{"a mode that git does not know", all("/app"), chmod("app/main.py", 0o640), bytesOnly},
		{"a folder's mode", all("/app"), chmod("app/util", 0o700), bytesOnly},
		{"the copied folder's own mode", all("/app"), chmod("app", 0o700), bytesOnly},
		{"an ignored file", all("/app"), write("app/x.log", "l"), bytesOnly},
		{"a new file", all("/app"), write("app/new", "n"), yes},
		{"an empty folder", all("/app"), write("app/empty/", ""), bytesOnly},
		{"a removed file", all("/app"), remove("app/util/u.py"), yes},
		{"a rename", all("/app"), rename("app/main.py", "app/Main.py"), yes},
		{"a file becomes a folder", all("/app"), become("app/main.py", "app/main.py/x", ""), yes},
		{"a folder becomes a file", all("/app"), become("app/util", "app/util", ""), yes},
		{"a folder becomes a link to an equal one", all("/app2"), become("app2", "app2@", "app"), no},
		{"a link's text", all("/app"), write("app/link@", "main.py"), yes},
		{"a link's target, the link copied in a folder", all("/equal"), write("cur@", "equal/two"), no},
		{"a link is retargeted to equal content", all("/cur"), write("cur@", "equal/two"), no},
		{"a link is retargeted", all("/cur"), write("cur@", "readme.md"), yes},
		{"a link becomes the file", all("/cur"), become("cur", "cur", "same\n"), no},
		{"what a link leads to", all("/cur"), write("equal/one", "new\n"), yes},
		{"through a link to a folder", all("/dir/main.py"), write("app/main.py", "new\n"), yes},
		{"a link on the way is retargeted to an equal folder", all("/dir/util"), write("dir@", "app2"), no},
		{"a wildcard's match", wild("/*.md"), write("readme.md", "s\n"), yes},
		{"a new match", wild("/*.md"), write("new.md", ""), yes},
		{"a file beside a wildcard", wild("/*.md"), write("new.txt", ""), no},
		{"a match deeper than the wildcard", wild("/*.md"), write("docs/x.md", "y\n"), no},
		{"a wildcard's first match", wild("/none*.txt"), write("none1.txt", ""), yes},
		{"an excluded file", without(all("/docs"), "*.md"), write("docs/y.md", "y"), no},
		{"a file beside an excluded one", without(all("/docs"), "*.md"), write("docs/y.txt", "y"), yes},
		{"ignored by the ignore file", ignoring(all("/"), "docs"), write("docs/x.md", "y"), no},
		{"an exception", ignoring(all("/"), "docs", "!docs/x.md"), write("docs/x.md", "y"), yes},
		{"beside an exception", ignoring(all("/"), "docs", "!docs/x.md"), write("docs/y.md", "y"), no},
		{"an allow-list", ignoring(all("/"), "**", "!keep/deep/f"), write("keep/deep/f", "g"), yes},
		{"beside an allow-list", ignoring(all("/"), "**", "!keep/deep/f"), write("keep/deep/g", "g"), no},
		{"the context's own mode", all("/"), func(r repo) { must(r.t, os.Chmod(r.dir, 0o700)) }, no},
		{"--parents", parents("app/**/u.py"), write("app/util/u.py", "v\n"), yes},
		{"beside --parents", parents("app/**/u.py"), write("app/util/v.py", "v\n"), no},
		{"a new match of --parents", parents("app/**/u.py"), write("app/u.py", "v\n"), yes},
		{"the whole context as a mount", all("/"), write("docs/x.md", "y"), yes},
		{"git's own folder", all("/.git/HEAD"), func(r repo) { r.git("checkout", "-q", "-b", "new") }, bytesOnly},
	} {
		for _, view := range []View{Bytes, Git} {
			t.Run(c.name+"/"+view.String(), func(t *testing.T) {
				r := newRepo(t)
				r.write(start)
				r.commit("start")
				before := read(t, r.worktree(view), c.sel)
				c.edit(repo{t, r.dir})
				after := read(t, r.worktree(view), c.sel)
				want := c.want == yes || c.want == bytesOnly && view == Bytes
				if got := before.Digest != after.Digest; got != want {
					t.Errorf("changed: %v\nbefore %s %+v\nafter  %s %+v", got, before.Digest, before.Files, after.Digest, after.Files)
				}
				if view == Git {
					if commit := read(t, r.at("main", Git), c.sel); commit.Digest != before.Digest {
						t.Errorf("the clean tree differs from its commit: %v", impact.Diff(commit.Files, before.Files))
					}
				}
			})
		}
	}
}

func write(name, text string) func(repo) {
	return func(r repo) { r.write(map[string]string{name: text}) }
}
func chmod(name string, mode os.FileMode) func(repo) {
	return func(r repo) { must(r.t, os.Chmod(filepath.Join(r.dir, name), mode)) }
}
func remove(name string) func(repo) {
	return func(r repo) { must(r.t, os.RemoveAll(filepath.Join(r.dir, name))) }
}
func rename(from, to string) func(repo) {
	return func(r repo) { must(r.t, os.Rename(filepath.Join(r.dir, from), filepath.Join(r.dir, to))) }
}
func become(old, name, text string) func(repo) {
	return func(r repo) { remove(old)(r); write(name, text)(r) }
}
func wild(p string) impact.Selection { s := all(p); s.Wildcard = true; return s }
func without(s impact.Selection, p ...string) impact.Selection {
	s.Exclude = p
	return s
}
func ignoring(s impact.Selection, p ...string) impact.Selection {
	s.Ignore.Patterns = p
	return s
}
func parents(p string) impact.Selection {
	s := all("/")
	s.Include = []string{p}
	return s
}

// TestIgnoreFiles runs ignore files of real repositories' kinds.
func TestIgnoreFiles(t *testing.T) {
	r := repo{t, realPath(t, t.TempDir())}
	r.write(map[string]string{
		"a.md": "", "sub/b.md": "", "sub/deep/c.md": "", "x": "", "[x]": "", "node_modules/m/index.js": "", "src/main.go": "",
		"src/node_modules/y": "", "tmp/keep/k": "", "tmp/drop": "", "sp ace": "", "sub/.dockerignore": "*", "é": "",
	})
	for text, want := range map[string]string{
		"*.md\n":                        "[x] node_modules node_modules/m node_modules/m/index.js sp ace src src/main.go src/node_modules src/node_modules/y sub sub/.dockerignore sub/b.md sub/deep sub/deep/c.md tmp tmp/drop tmp/keep tmp/keep/k x é",
		"**/*.md\n**/node_modules\n":    "[x] sp ace src src/main.go sub sub/.dockerignore sub/deep tmp tmp/drop tmp/keep tmp/keep/k x é",
		"/tmp\n./sub\n/src/\n[a-n]*\n":  "[x] sp ace x é",
		"**\n!src/main.go\n!tmp/keep\n": "src src/main.go tmp tmp/keep tmp/keep/k",
		"*\n!s*\nsrc/node*\n":           "sp ace src src/main.go sub sub/.dockerignore sub/b.md sub/deep sub/deep/c.md",
		"\ufeff# comment\n\n  x  \n[[]x]\nnode_modules\nt?p\nsub/d*/\nsp ace\r\nsrc\n": "a.md sub sub/.dockerignore sub/b.md é",
		"!gone\n*\n":     "",
		"**\n!**/*.md\n": "a.md sub sub/b.md sub/deep sub/deep/c.md",
		"sub/**\n!sub/deep\nnode_modules\nsrc\ntmp\n": "[x] a.md sp ace sub sub/deep sub/deep/c.md x é",
	} {
		patterns, err := ignorefile.ReadAll(strings.NewReader(text))
		must(t, err)
		if got := paths(read(t, folder(t, r.dir, ""), ignoring(all("/"), patterns...))); got != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestMissing(t *testing.T) {
	r := newRepo(t)
	ignore := "# first\n\n*.tmp\n!x.tmp\nshared\n  out/*  \n!out/keep\nl2\n"
	r.write(map[string]string{
		".dockerignore": ignore, "shared/util.py": "u", "x.tmp": "", "y.tmp": "", "out/f": "", "out/keep": "", "l1@": "shared/util.py", "l2@": "x.tmp",
		"l3@": "l2", "dangling@": "nowhere", "loop@": "loop", "file": "", "sub/s": "",
	})
	r.commit("one")
	patterns, err := ignorefile.ReadAll(strings.NewReader(ignore))
	must(t, err)
	required := parents("shared/util.py")
	required.Required = []string{"/shared/util.py"}
	nofollow := all("/dangling")
	nofollow.Follow = false
	for _, c := range []struct {
		sel     impact.Selection
		missing string
		line    int
	}{
		{all("/nowhere"), "/nowhere", 0},
		{all("/file/x"), "/file/x", 0},
		{all("/shared"), "/shared", 5},
		{all("/shared/util.py"), "/shared/util.py", 5},
		{all("/x.tmp"), "", 0},
		{all("/y.tmp"), "/y.tmp", 3},
		{all("/out/f"), "/out/f", 6},
		{all("/out/keep"), "", 0},
		{all("/l1"), "/l1", 5},
		{all("/l2"), "/l2", 8},
		{all("/l3"), "/l3", 8},
		{all("/dangling"), "/dangling", 0},
		{nofollow, "", 0},
		{all("/loop"), "/loop", 0},
		{wild("/nowhere/*"), "/nowhere/*", 0},
		{wild("/shared/*.py"), "/shared/*.py", 5},
		{wild("/none*"), "", 0},
		{wild("/sub/*.none"), "", 0},
		{wild("/dang*"), "/dangling", 0},
		{required, "/shared/util.py", 5},
		{without(all("/shared"), "x"), "/shared", 5},
		{without(all("/nowhere"), "x"), "/nowhere", 0},
		{impact.Selection{Context: "nowhere", Path: "/", Follow: true}, "/", 0},
		{impact.Selection{Context: "file", Path: "/x", Follow: true}, "/x", 0},
	} {
		c.sel.Ignore = impact.Ignore{File: ".dockerignore", Patterns: patterns}
		seen := map[impact.Digest]bool{}
		for name, tree := range map[string]Tree{"bytes": r.worktree(Bytes), "git": r.worktree(Git), "commit": r.at("HEAD", Git), "checkout": r.at("HEAD", Bytes)} {
			got := read(t, tree, c.sel)
			if got.Missing != c.missing || got.HiddenBy != c.line {
				t.Errorf("%s: %+v: missing %q, hidden by %d; want %q, %d", name, c.sel.Path, got.Missing, got.HiddenBy, c.missing, c.line)
			}
			seen[got.Digest] = true
			if c.missing != "" && (got.Digest == "" || len(got.Files) > 0) {
				t.Errorf("%s: %s: %+v", name, c.sel.Path, got)
			}
		}
		if len(seen) != 1 {
			t.Errorf("%s: digests differ", c.sel.Path)
		}
	}
	present := read(t, r.worktree(Bytes), all("/shared"))
	if present.Digest == read(t, r.worktree(Bytes), all("/nowhere")).Digest {
		t.Error("missing and present are equal")
	}
}

// TestOnlyIgnored is what git doesn't hold: BuildKit finds it, and it is no change
// against a commit.
func TestOnlyIgnored(t *testing.T) {
	r := newRepo(t)
	r.write(map[string]string{".gitignore": "/gen/\n*.tar\n", "app/x": "x"})
	r.commit("one")
	r.write(map[string]string{"gen/cert.pem": "c", "image.tar": "t", "app/y.tar": "y"})
	for _, sel := range []impact.Selection{all("/gen"), all("/gen/cert.pem"), all("/image.tar"), wild("/gen/*.pem")} {
		commit, worktree, bytes := read(t, r.at("HEAD", Git), sel), read(t, r.worktree(Git), sel), read(t, r.worktree(Bytes), sel)
		if commit.Missing == "" || worktree.Missing != "" || bytes.Missing != "" {
			t.Errorf("%s: missing %q %q %q", sel.Path, commit.Missing, worktree.Missing, bytes.Missing)
		}
		if worktree.Digest != commit.Digest || len(worktree.Files) != 0 {
			t.Errorf("%s: a change against the commit", sel.Path)
		}
		if bytes.Digest == worktree.Digest || len(bytes.Files) == 0 {
			t.Errorf("%s: the bytes count against a record", sel.Path)
		}
	}
	if got := read(t, r.worktree(Git), ignoring(all("/gen"), "gen")); got.Missing == "" {
		t.Error("hidden by the ignore file too")
	}
}

// TestRealPlaces lists files where they really are, and the links on the way.
func TestRealPlaces(t *testing.T) {
	r := newRepo(t)
	r.write(map[string]string{"ctx/real/f": "f", "ctx/l@": "real", "ctx/abs@": "/real/f", "ctx/up@": "../../../real", "other@": "ctx"})
	r.commit("one")
	for _, tree := range []Tree{r.worktree(Bytes), r.worktree(Git), r.at("HEAD", Git)} {
		for p, want := range map[string]string{
			"/l/f": "ctx/l ctx/real/f", "/l": "ctx/l ctx/real ctx/real/f", "/abs": "ctx/abs ctx/real/f", "/up": "ctx/real ctx/real/f ctx/up", "/real": "ctx/real ctx/real/f",
		} {
			for _, dir := range []string{"ctx", "other", "./ctx/", filepath.ToSlash(filepath.Join(r.dir, "ctx"))} {
				if tree.Side().Kind == impact.SideCommit && filepath.IsAbs(dir) {
					continue
				}
				if got := paths(read(t, tree, impact.Selection{Context: dir, Path: p, Follow: true})); got != want {
					t.Errorf("%v %s %s: %s", tree.Side(), dir, p, got)
				}
			}
		}
	}
}

// TestOutside reads a context outside of the tree from the disk, for both trees.
func TestOutside(t *testing.T) {
	r := base(t)
	out := realPath(t, t.TempDir())
	repo{t, out}.write(map[string]string{"templates/x": "1", "Dockerfile": "FROM x\n"})
	link := filepath.Join(realPath(t, t.TempDir()), "link")
	must(t, os.Symlink(out, link))
	for _, tree := range []Tree{r.worktree(Bytes), r.worktree(Git), r.at("HEAD", Git), r.at("HEAD", Bytes)} {
		for _, dir := range []string{out, link} {
			got := read(t, tree, impact.Selection{Context: dir, Path: "/templates", Follow: true})
			if want := out + "/templates " + out + "/templates/x"; paths(got) != want {
				t.Errorf("%s", paths(got))
			}
		}
		if text, err := tree.ReadFile(t.Context(), out+"/Dockerfile"); err != nil || string(text) != "FROM x\n" {
			t.Errorf("%q %v", text, err)
		}
		if _, err := tree.ReadFile(t.Context(), out+"/nowhere"); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		if got := read(t, tree, impact.Selection{Context: out + "/nowhere", Path: "/"}); got.Missing == "" {
			t.Error("no such context")
		}
		ctx, err := tree.Context(t.Context(), out)
		must(t, err)
		if got := walk(t, ctx); got != "Dockerfile templates/ templates/x" {
			t.Error(got)
		}
		if entries, err := tree.ReadDir(t.Context(), out); err != nil || len(entries) != 2 {
			t.Errorf("%v %v", entries, err)
		}
	}
}

func TestReadFileAndReadDir(t *testing.T) {
	r := newRepo(t)
	r.write(map[string]string{
		"Dockerfile": "FROM a\n", "d/Dockerfile@": "../Dockerfile", "abs@": "/Dockerfile", "up@": "../../Dockerfile", "sub@": "d", "dangling@": "no",
		".gitignore": "*.env\nvenv/\n", "tool*": "#!", "CRLF": "FROM a\r\n",
	})
	r.commit("one")
	r.write(map[string]string{"local.env": "A=1", "venv/Dockerfile": "FROM v\n", "new/Dockerfile": "FROM n\n", "venv/:odd*name": ""})
	for name, tree := range map[string]Tree{"bytes": r.worktree(Bytes), "git": r.worktree(Git), "commit": r.at("HEAD", Git)} {
		for p, want := range map[string]string{
			"Dockerfile": "FROM a\n", "./Dockerfile": "FROM a\n", "d/Dockerfile": "FROM a\n", "abs": "FROM a\n", "up": "FROM a\n", "sub/Dockerfile": "FROM a\n", "CRLF": "FROM a\r\n",
		} {
			if got, err := tree.ReadFile(t.Context(), p); err != nil || string(got) != want {
				t.Errorf("%s: %s: %q %v", name, p, got, err)
			}
		}
		for _, p := range []string{"nowhere", "Dockerfile/x", "dangling", "no/where"} {
			if _, err := tree.ReadFile(t.Context(), p); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %s: %v", name, p, err)
			}
		}
		if _, err := tree.ReadFile(t.Context(), "d"); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a folder: %v", name, err)
		}
		entries, err := tree.ReadDir(t.Context(), ".")
		must(t, err)
		var got []string
		for _, e := range entries {
			if info, err := e.Info(); err != nil || info.Mode().Type() != e.Type() || info.IsDir() != e.IsDir() {
				t.Errorf("%s: %v %v", name, e, err)
			}
			got = append(got, e.Name())
		}
		want := ".gitignore CRLF Dockerfile abs d dangling new sub tool up"
		if name == "commit" {
			want = strings.Replace(want, " new", "", 1)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v", name, got)
		}
		if entries, err := tree.ReadDir(t.Context(), "sub"); err != nil || len(entries) != 1 || entries[0].Name() != "Dockerfile" {
			t.Errorf("%s: through a link: %v %v", name, entries, err)
		}
		if _, err := tree.ReadDir(t.Context(), "nowhere"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What is named is read, ignored by git or not.
	if got, err := r.worktree(Git).ReadFile(t.Context(), "local.env"); err != nil || string(got) != "A=1" {
		t.Errorf("%q %v", got, err)
	}
}

// TestNames are names that some step could take for something else.
func TestNames(t *testing.T) {
	r := newRepo(t)
	files := map[string]string{".gitignore": "ignored*\n"}
	for _, name := range []string{"sp ace", "q\"uote", "new\nline", "back\\slash", ":colon", "-dash", "!bang", "st*r", "[b]", "#hash", "ünï", "\x80raw", "tab\t", "a+b"} {
		files["tracked/"+name] = "t" + name
		files["untracked/"+name] = "u" + name
		files["untracked/ignored"+name] = "i"
	}
	for name, text := range files {
		if strings.HasPrefix(name, "tracked") {
			r.write(map[string]string{name: text})
		}
	}
	r.commit("one")
	r.write(files)
	for _, attributes := range []string{"", "* text=auto\n"} {
		r.write(map[string]string{".gitattributes": attributes})
		worktree, commit := read(t, r.worktree(Git), all("/tracked")), read(t, r.at("HEAD", Git), all("/tracked"))
		if worktree.Digest != commit.Digest {
			t.Errorf("%q: %v", attributes, impact.Diff(commit.Files, worktree.Files))
		}
		got := read(t, r.worktree(Git), all("/untracked"))
		if len(got.Files) != 15 || strings.Contains(paths(got), "ignored") {
			t.Errorf("%q: %d files: %q", attributes, len(got.Files), paths(got))
		}
		if _, err := r.at("HEAD", Bytes).Read(t.Context(), all("/")); err != nil {
			t.Error(err)
		}
	}
	before := read(t, r.worktree(Git), all("/"))
	r.commit("two")
	if after := read(t, r.at("HEAD", Git), all("/")); after.Digest != before.Digest {
		t.Error(impact.Diff(before.Files, after.Files))
	}
}

// TestGitFlags are settings that make git see files otherwise than they are.
func TestGitFlags(t *testing.T) {
	r := base(t)
	r.git("config", "core.symlinks", "false")
	become("a/link", "a/link", "one")(r)
	if d := diff(t, r); len(d) != 0 {
		t.Errorf("core.symlinks=false: %v", d)
	}
	if got := read(t, r.worktree(Git), all("/a/link")); paths(got) != "a/link a/one" {
		t.Errorf("followed: %s", paths(got))
	}

	r = base(t)
	write("intent", "i")(r)
	r.git("add", "-N", "intent")
	if f := read(t, r.worktree(Git), all("/intent")).Files[0]; f.Digest != sha1Format.blob([]byte("i")) {
		t.Errorf("intent to add: %v", f)
	}

	// A conflict: the file is what it is.
	r = newRepo(t)
	write("f", "0")(r)
	r.commit("0")
	r.git("checkout", "-q", "-b", "side")
	write("f", "1")(r)
	r.commit("1")
	r.git("checkout", "-q", "main")
	write("f", "2")(r)
	r.commit("2")
	if _, err := r.try("merge", "side"); err == nil {
		t.Fatal("no conflict")
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "f"))
	must(t, err)
	if f := read(t, r.worktree(Git), all("/f")).Files[0]; f.Digest != sha1Format.blob(text) {
		t.Errorf("conflict: %v", f)
	}
}

func diff(t *testing.T, r repo) []impact.Change {
	t.Helper()
	return impact.Diff(read(t, r.at("HEAD", Git), all("/")).Files, read(t, r.worktree(Git), all("/")).Files)
}

func TestUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	r := newRepo(t)
	write("secret", "s")(r)
	chmod("secret", 0)(r)
	if _, err := r.worktree(Bytes).Read(t.Context(), all("/")); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	if _, err := r.worktree(Bytes).Read(t.Context(), ignoring(all("/"), "secret", ".git")); err != nil {
		t.Errorf("ignored: %v", err)
	}
	write("closed/x", "x")(r)
	chmod("closed", 0)(r)
	defer chmod("closed", 0o755)(r)
	if _, err := r.worktree(Bytes).Read(t.Context(), ignoring(all("/"), "**", "!closed/y")); err != nil {
		t.Errorf("ignored with an exception: %v", err)
	}
}

func TestBadPattern(t *testing.T) {
	r := newRepo(t)
	write(".dockerignore", "ok\n\n[bad\n")(r)
	sel := all("/")
	sel.Ignore = impact.Ignore{File: ".dockerignore", Patterns: []string{"ok", "[bad"}}
	fault := (*impact.Fault)(nil)
	if _, err := r.worktree(Bytes).Read(t.Context(), sel); !errors.As(err, &fault) || fault.Line != 3 || fault.Path != ".dockerignore" {
		t.Errorf("%v", err)
	}
}

// TestConcurrent has many readers at once, of selections that share most.
func TestConcurrent(t *testing.T) {
	r := base(t)
	write("new/file", "n")(r)
	write(".gitattributes", "*.x text\n")(r)
	write("a/changed.x", "c")(r)
	for _, tree := range []Tree{r.worktree(Bytes), r.worktree(Git), r.at("HEAD", Git), r.at("HEAD", Bytes)} {
		var wg sync.WaitGroup
		digests := make([]impact.Digest, 64)
		sels := []impact.Selection{all("/"), all("/a"), wild("/*"), ignoring(all("/"), "a"), without(all("/a"), "one"), all("/l/one")}
		for i := range digests {
			wg.Go(func() {
				got, err := tree.Read(t.Context(), withContext(sels[i%len(sels)]))
				if err != nil {
					t.Error(err)
					return
				}
				digests[i] = got.Digest
				if _, err := tree.ReadFile(t.Context(), "l/one"); err != nil {
					t.Error(err)
				}
				if _, err := tree.ReadDir(t.Context(), "."); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for i := range digests {
			if digests[i] != digests[i%len(sels)] {
				t.Error("readers disagree")
			}
		}
	}
}

func withContext(s impact.Selection) impact.Selection { s.Context = "."; return s }

// FuzzSelection looks for patterns that end in a panic, and for two moments of
// one tree that differ.
func FuzzSelection(f *testing.F) {
	dir, err := filepath.EvalSymlinks(f.TempDir())
	must(f, err)
	repo{f, dir}.write(map[string]string{"a/b/c": "1", "a/x.md": "2", "l@": "a", "loop@": "loop", "é": "", "[x]": "", "up@": "../.."})
	for _, s := range []string{"*.md", "**\n!a/b", "a/**/c", "[a-", "!", "\\", "l/*", "/", "../..", "a//b", "[^a]*", "{a,b}"} {
		f.Add(s, s, s, true)
		f.Add("/a", s, s, false)
		f.Add(s, "", "", true)
	}
	f.Fuzz(func(t *testing.T, p, ignore, pattern string, wildcard bool) {
		if strings.ContainsRune(p+ignore+pattern, 0) {
			return
		}
		patterns, err := ignorefile.ReadAll(bytes.NewReader([]byte(ignore)))
		if err != nil {
			return
		}
		sel := impact.Selection{Context: ".", Path: "/" + p, Follow: true, Wildcard: wildcard && impact.HasWildcard(p), Ignore: impact.Ignore{Patterns: patterns}}
		for range 2 {
			var digests []impact.Digest
			for range 2 {
				w, err := Folder(dir, Options{})
				must(t, err)
				if got, err := w.Read(t.Context(), sel); err == nil {
					digests = append(digests, got.Digest)
				}
			}
			if len(digests) == 1 || len(digests) == 2 && digests[0] != digests[1] {
				t.Errorf("%+v: %v", sel, digests)
			}
			if pattern != "" {
				sel.Exclude = []string{pattern}
			}
		}
	})
}
