package tree

import (
	"strings"
	"testing"

	"rebuild/impact"
)

// TestOwnGit: what names .git changes with every commit; what takes it along does not, and
// says so.
func TestOwnGit(t *testing.T) {
	r := newRepo(t)
	r.write(map[string]string{"app/x": "x", "links/version@": "../.git/HEAD"})
	r.commit("one")
	r.commit("two")
	parents := all("/")
	parents.Include, parents.Required = []string{".git/HEAD"}, []string{"/.git/HEAD"}
	for name, c := range map[string]struct {
		sel   impact.Selection
		named bool
		takes bool
	}{
		"whole":                  {all("/.git"), true, false},
		"a file":                 {all("/.git/HEAD"), true, false},
		"wildcards":              {wild("/.git/HEA*"), true, false},
		"as context":             {impact.Selection{Context: ".git", Path: "/HEAD", Follow: true}, true, false},
		"--parents":              {parents, true, false},
		"through a link":         {all("/links/version"), true, false},
		"all":                    {all("/"), false, true},
		"all by wildcards":       {wild("/*"), false, true},
		"all, ignored":           {ignoring(all("/"), ".git"), false, false},
		"all but .git":           {without(all("/"), ".git"), false, false},
		"all but something":      {without(all("/"), "*.md"), false, true},
		"wildcards, not of .git": {wild("/a*"), false, false},
		"a folder":               {all("/app"), false, false},
		"a folder as context":    {impact.Selection{Context: "app", Path: "/", Follow: true}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			before, now := read(t, r.at("HEAD~1", Git), c.sel), read(t, r.at("HEAD", Git), c.sel)
			worktree, bytes := read(t, r.worktree(Git), c.sel), read(t, r.worktree(Bytes), c.sel)
			if (before.Digest != now.Digest) != c.named {
				t.Errorf("a commit changes it: %v", !c.named)
			}
			if worktree.Digest != now.Digest {
				t.Error("the working tree is a change against its commit")
			}
			if now.NoGit != c.named || (now.Missing != "") != c.named || worktree.Missing+bytes.Missing != "" {
				t.Errorf("missing: %q %v, in the working tree %q %q", now.Missing, now.NoGit, worktree.Missing, bytes.Missing)
			}
			for which, rd := range map[string]*impact.Reading{"commit": now, "git": worktree, "bytes": bytes} {
				if rd.TakesGit != (c.takes && which != "commit") {
					t.Errorf("%s: takes .git along: %v", which, rd.TakesGit)
				}
			}
			if !c.named && strings.Contains(paths(worktree), ".git") {
				t.Errorf("read: %s", paths(worktree))
			}
			tree, err := r.open().Commit(t.Context(), "HEAD", Git)
			must(t, err)
			read(t, tree, c.sel)
			if _, ok := tree.Reads(); ok == c.named {
				t.Errorf("the reads are all that counts: %v", ok)
			}
		})
	}
	ctx, err := r.at("HEAD", Git).Context(t.Context(), ".")
	must(t, err)
	if got := walk(t, ctx); got != "app/ app/x links/ links/version" {
		t.Errorf("context of the commit: %s", got)
	}
}
