package tree

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"rebuild/impact"
)

// conversions are repositories whose files differ from their blobs.
var conversions = map[string]struct {
	config     []string
	attributes string
	blob, file string // as git stores it, as a clean checkout has it
	edit       string // another file content; "": none
	same       string // a file content that git calls unmodified too; "": none
}{
	"autocrlf": {
		config: []string{"core.autocrlf=true"},
		blob:   "a\nb\n", file: "a\r\nb\r\n", edit: "a\r\nc\r\n", same: "a\nb\n",
	},
	"eol=crlf": {
		attributes: "*.txt text eol=crlf\n",
		blob:       "a\nb\n", file: "a\r\nb\r\n", edit: "a\r\nc\r\n", same: "a\nb\n",
	},
	"text=auto": {
		attributes: "* text=auto\n",
		blob:       "a\nb\n", file: "a\nb\n", edit: "a\nc\n", same: "a\r\nb\r\n",
	},
	"text=auto with core.eol": {
		config: []string{"core.eol=crlf"}, attributes: "* text=auto\n",
		blob: "a\nb\n", file: "a\r\nb\r\n", edit: "c\r\n", same: "a\nb\n",
	},
	"filter": {
		config:     []string{"filter.up.clean=tr A-Z a-z", "filter.up.smudge=tr a-z A-Z"},
		attributes: "*.txt filter=up\n",
		blob:       "hello\n", file: "HELLO\n", edit: "OTHER\n", same: "HeLLo\n",
	},
	"ident": {
		attributes: "*.txt ident\n",
		blob:       "$Id$\n", file: "$Id: 055c8729cdcc372500a08db659c045e16c4409fb $\n", edit: "$Id$ more\n", same: "$Id: anything $\n",
	},
	"working-tree-encoding": {
		attributes: "*.txt working-tree-encoding=UTF-16LE\n",
		blob:       "é\n", file: "\xe9\x00\n\x00", edit: "e\x00\n\x00",
	},
	"binary": {
		config: []string{"core.autocrlf=true"}, attributes: "*.txt binary\n",
		blob: "a\nb\n", file: "a\nb\n", edit: "a\r\nb\r\n",
	},
}

func TestConversions(t *testing.T) {
	for name, c := range conversions {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			for _, kv := range c.config {
				for i := range kv {
					if kv[i] == '=' {
						r.git("config", kv[:i], kv[i+1:])
						break
					}
				}
			}
			if c.attributes != "" {
				r.write(map[string]string{"d/.gitattributes": c.attributes})
			}
			r.write(map[string]string{"d/f.txt": c.file})
			head := r.commit("one")
			if got := r.git("cat-file", "blob", "HEAD:d/f.txt"); got+"\n" != c.blob {
				t.Fatalf("the fixture's blob is %q", got)
			}
			must(t, os.Remove(filepath.Join(r.dir, "d/f.txt")))
			r.git("checkout", "-q", "d/f.txt")
			if got, _ := os.ReadFile(filepath.Join(r.dir, "d/f.txt")); string(got) != c.file {
				t.Fatalf("the fixture's file is %q", got)
			}
			r.age()

			id := impact.Digest(r.git("rev-parse", "HEAD:d/f.txt"))
			fileID := sha1Format.blob([]byte(c.file))
			sel := all("/d/f.txt")
			digest := func(tree impact.Files) impact.Digest { return read(t, tree, sel).Files[0].Digest }

			clean := digest(r.at(head, Git))
			if converted := c.file != c.blob || name == "ident"; (clean != id) != converted {
				t.Errorf("commit, git: %s, of the blob %s", clean, id)
			}
			if got := digest(r.at(head, Bytes)); got != fileID {
				t.Errorf("commit, bytes: %s, not that of %q", got, c.file)
			}
			if got := digest(r.worktree(Git)); got != clean {
				t.Errorf("clean, git: %s", got)
			}
			if got := digest(r.worktree(Bytes)); got != fileID {
				t.Errorf("clean, bytes: %s", got)
			}
			for _, view := range []View{Git, Bytes} {
				if text, err := r.at(head, view).ReadFile(t.Context(), "d/f.txt"); err != nil || string(text) != c.file {
					t.Errorf("commit, %v: content %q %v", view, text, err)
				}
			}
			ctx, err := r.at(head, Git).Context(t.Context(), "d")
			must(t, err)
			f, err := ctx.Open("f.txt")
			must(t, err)
			if text, err := io.ReadAll(f); err != nil || string(text) != c.file {
				t.Errorf("context of the commit: %q %v", text, err)
			}

			if c.same != "" {
				r.write(map[string]string{"d/f.txt": c.same})
				if got := digest(r.worktree(Git)); got != clean {
					t.Errorf("git calls %q unmodified, got %s", c.same, got)
				}
				if got := digest(r.worktree(Bytes)); got != sha1Format.blob([]byte(c.same)) {
					t.Errorf("the bytes of %q: %s", c.same, got)
				}
			}
			r.write(map[string]string{"d/f.txt": c.edit})
			edited := digest(r.worktree(Git))
			if edited == clean {
				t.Errorf("%q is a change", c.edit)
			}
			if want := digest(r.at(r.commit("edited"), Git)); edited != want {
				t.Errorf("%q: %s, its commit has %s", c.edit, edited, want)
			}
		})
	}
}

// TestCRLFInIndex is the exception of git's automatic line ends: a file whose blob
// has CRLF already is left alone.
func TestCRLFInIndex(t *testing.T) {
	r := newRepo(t)
	r.write(map[string]string{"f": "a\r\n"})
	r.commit("crlf")
	r.write(map[string]string{".gitattributes": "* text=auto\n"})
	r.commit("attributes")
	r.write(map[string]string{"f": "a\r\n"}) // touched
	if got, want := read(t, r.worktree(Git), all("/f")).Digest, read(t, r.at("HEAD", Git), all("/f")).Digest; got != want {
		t.Error("a touched file is no change")
	}
}

// TestAttributesOfTheCommit has attributes that the working tree no longer has.
func TestAttributesOfTheCommit(t *testing.T) {
	r := newRepo(t)
	r.write(map[string]string{".gitattributes": "*.txt text eol=crlf\n", "f.txt": "a\n", "sub/g.txt": "g\n", "sub/.gitattributes": "*.txt -text\n"})
	one := r.commit("one")
	r.git("rm", "-q", ".gitattributes")
	r.commit("two")
	for rev, want := range map[string]string{one: "a\r\n", "HEAD": "a\n"} {
		if text, err := r.at(rev, Bytes).ReadFile(t.Context(), "f.txt"); err != nil || string(text) != want {
			t.Errorf("%s: %q %v", rev, text, err)
		}
		if text, err := r.at(rev, Bytes).ReadFile(t.Context(), "sub/g.txt"); err != nil || string(text) != "g\n" {
			t.Errorf("%s: %q %v", rev, text, err)
		}
	}
}

// TestOtherAttributes: under other attributes the same blob is another file. What they
// convert in neither commit is the same.
func TestOtherAttributes(t *testing.T) {
	r := newRepo(t)
	r.write(map[string]string{"f.txt": "a\n", "g": "a\n", "h.txt": "a\n"})
	one := r.commit("one")
	for _, attributes := range []string{"f.txt text eol=crlf\n", "f.txt working-tree-encoding=UTF-16LE\n", "f.txt filter=up\n", "f.txt ident\n"} {
		r.write(map[string]string{".gitattributes": attributes + "g text eol=lf\nh.txt -text\n"})
		for side, tree := range map[string]impact.Files{"worktree": r.worktree(Git), "commit": r.at(r.commit("attributes"), Git)} {
			for path, changed := range map[string]bool{"/f.txt": true, "/g": false, "/h.txt": false} {
				before, now := read(t, r.at(one, Git), all(path)), read(t, tree, all(path))
				if (before.Digest != now.Digest) != changed {
					t.Errorf("%q, %s, %s: changed is not %v", attributes, side, path, changed)
				}
			}
		}
	}
}

func TestMissingFilter(t *testing.T) {
	r := newRepo(t)
	r.write(map[string]string{".gitattributes": "*.txt filter=gone\n", "f.txt": "a\n"})
	r.commit("one")
	r.git("config", "filter.gone.smudge", "/nowhere/smudge")
	r.git("config", "filter.gone.required", "true")
	c := r.at("HEAD", Bytes)
	if _, err := c.Read(t.Context(), all("/")); err == nil {
		t.Error("a filter that fails must be said")
	}
	if _, err := r.at("HEAD", Git).Read(t.Context(), all("/")); err != nil {
		t.Errorf("git's view needs no filter: %v", err)
	}
}

func TestMentionsConversion(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "# * text": false, "*.png binary\n": false, "* -text\n": false, "*.sh text\n": true, "*.psd filter=lfs diff=lfs -text": true,
		"*.go diff=golang\n": false, "[attr]code text\n": true, "\"a b\" eol=lf": true, "* !text": false, "*\tident\r\n": true,
	} {
		if got := mentionsConversion([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
