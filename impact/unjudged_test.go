package impact

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// unjudged converts as fakeConvert does; a Dockerfile that begins with "??" cannot be
// converted, and mentions the images whose names its second line holds.
func unjudged(ctx context.Context, im Image, read ReadFile, resolve Resolve) (*Graph, error) {
	text, err := read(ctx, im.Dockerfile)
	if err != nil || !strings.HasPrefix(string(text), "??") {
		return fakeConvert(ctx, im, read, resolve)
	}
	return &Graph{
		Fault: &Fault{Path: im.Dockerfile, Line: 1, Cause: "it is no Dockerfile"}, Unjudged: true, Text: DigestOf("text", string(text)),
		Layers:   []Layer{{Op: Everything, Reads: []Selection{{Context: im.Context, Path: "/src"}}}},
		Mentions: func(ref string) bool { return strings.Contains(string(text), " "+ref+" ") },
	}, nil
}

func unjudgedSnapshot(t *testing.T, cat Catalog, tree Files, sound bool) *Snapshot {
	t.Helper()
	s := testScanner()
	s.Convert, s.SoundBaseline = unjudged, sound
	snap, err := s.Scan(t.Context(), cat, tree)
	if err != nil {
		t.Fatal(err)
	}
	checkSnapshot(t, snap)
	return snap
}

func unjudgedPlan(t *testing.T, was, is Catalog, before, after Files) *Plan {
	t.Helper()
	p, err := Make(t.Context(), Inputs{
		Baseline: unjudgedSnapshot(t, was, before, false), Target: unjudgedSnapshot(t, is, after, false), TargetFiles: after, Selected: is.Names(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestUnjudged(t *testing.T) {
	cat := images("base", "odd", "child")
	tree := fakeTree{
		"base.df": "from os\ncopy deps", "odd.df": "?? base ", "child.df": "from odd\ncopy own",
		"deps": "1", "own": "1", "src/a": "1", "README.md": "1",
	}
	args := images("base", "odd", "child")
	args.Images[1].Args = map[string]string{"A": "1"}
	for _, tc := range []struct {
		name  string
		is    Catalog
		after fakeTree
		want  string
	}{
		{"nothing", cat, tree, ""},
		{"what nobody reads", cat, edited(tree, "README.md", "2"), ""},
		{"its context", cat, edited(tree, "src/a", "2"), "odd: file src/a; child: parent odd"},
		{"its Dockerfile", cat, edited(tree, "odd.df", "?? base \nwords"), "odd: dockerfile odd.df; child: parent odd"},
		{"its definition", args, tree, "odd: arg A; child: parent odd"},
		{"its parent", cat, edited(tree, "deps", "2"), "base: file deps; odd: parent base; child: parent odd"},
		{"its parent's config alone", cat, edited(tree, "base.df", "from os\ncopy deps\nlabel x"), "base: dockerfile base.df; odd: parent base; child: parent odd"},
		{"mended", cat, edited(tree, "odd.df", "from base"), "odd: dockerfile odd.df; child: parent odd"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := unjudgedPlan(t, cat, tc.is, tree, tc.after)
			got := decisions(p)
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if tc.name != "mended" && (p.Image("odd").Judged || p.Totals().NotJudged == 0 || p.Totals().UpToDate > 1) {
				t.Errorf("totals %+v", p.Totals())
			}
			for _, im := range p.Images {
				for _, r := range im.Reasons {
					if r.Layer > len(im.Layers) {
						t.Errorf("%s: layer %d of %d", im.Name, r.Layer, len(im.Layers))
					}
				}
			}
		})
	}
}

// A Dockerfile that nobody can convert may mention what is built on it: that is no cycle.
func TestMentionIsNoCycle(t *testing.T) {
	tree := fakeTree{"a.df": "?? b ", "b.df": "from a\ncopy x", "x": "1"}
	s := unjudgedSnapshot(t, images("a", "b"), tree, false)
	if got := s.ParentsOf("a"); got != nil {
		t.Errorf("a is built on %s", got)
	}
	if got := s.ParentsOf("b"); len(got) != 1 || got[0] != "a" {
		t.Errorf("b is built on %s", got)
	}
	// What else it mentions counts all the same, also for one that only waits for the circle.
	more := fakeTree{"a.df": "?? b base ", "b.df": "from a\ncopy x", "c.df": "?? b ", "base.df": "copy x", "x": "1"}
	s = unjudgedSnapshot(t, images("c", "a", "b", "base"), more, false)
	if a, c := s.ParentsOf("a"), s.ParentsOf("c"); len(a) != 1 || a[0] != "base" || len(c) != 1 || c[0] != "b" {
		t.Errorf("a is built on %s, c on %s", a, c)
	}
	both := fakeTree{"a.df": "?? b ", "b.df": "?? a ", "x": "1"}
	if s := unjudgedSnapshot(t, images("a", "b"), both, false); len(s.Order) != 2 {
		t.Errorf("order %s", s.Order)
	}
}

// What may be built on an image of the catalog is not judged by a stand-in.
func TestOtherwise(t *testing.T) {
	tree := fakeTree{"base.df": "from os\ncopy x", "odd.df": "odd", "x": "1", "y": "1"}
	for mentions, want := range map[string]bool{"base": true, "another": false} {
		s := testScanner()
		convert := s.Convert
		s.Convert = func(ctx context.Context, im Image, read ReadFile, resolve Resolve) (*Graph, error) {
			if im.Name != "odd" {
				return convert(ctx, im, read, resolve)
			}
			named := func(ref string) bool { return ref == mentions }
			fault := &Fault{Path: im.Dockerfile, Cause: "no value"}
			return &Graph{
				Fault: fault, Output: -1, Assumed: []string{"T"}, Mentions: named,
				Otherwise: &Graph{Fault: fault, Unjudged: true, Mentions: named, Layers: []Layer{{Op: Everything, Reads: []Selection{{Context: ".", Path: "/y"}}}}},
			}, nil
		}
		for _, order := range [][]string{{"base", "odd"}, {"odd", "base"}} {
			snap, err := s.Scan(t.Context(), images(order...), tree)
			if err != nil {
				t.Fatal(err)
			}
			st := snap.States["odd"]
			if st.Unjudged != want || (len(st.Assumed) == 0) != want || (len(st.Parents) == 1) != want {
				t.Errorf("%s mentioned: unjudged %v, assumed %q, parents %v", mentions, st.Unjudged, st.Assumed, st.Parents)
			}
		}
	}
}

// unreadable is a tree of which some files cannot be read.
type unreadable struct {
	fakeTree
	path string
}

func (u unreadable) Read(ctx context.Context, sel Selection) (*Reading, error) {
	if strings.HasPrefix(u.path, strings.TrimPrefix(sel.Path, "/")) {
		return nil, errors.New("permission denied")
	}
	return u.fakeTree.Read(ctx, sel)
}

// What cannot be read is never the same: nobody knows what it holds.
func TestUnreadable(t *testing.T) {
	cat := images("base", "odd")
	tree := fakeTree{"base.df": "from os\ncopy deps", "odd.df": "?? os ", "deps": "1", "src/a": "1"}
	for path, want := range map[string]string{"deps": "base: dockerfile base.df copy deps: cannot read /deps: permission denied", "src/a": "odd: dockerfile odd.df it is no Dockerfile"} {
		bad := unreadable{tree, path}
		p := unjudgedPlan(t, cat, cat, bad, bad)
		if got := decisions(p); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
		if got := p.Totals().NotJudged; got == 0 {
			t.Errorf("%s: all are judged", path)
		}
	}
	// Of no use where the baseline has none that cannot be built.
	if st := unjudgedSnapshot(t, cat, unreadable{tree, "src/a"}, true).States["odd"]; st.unread || st.Err == nil {
		t.Errorf("the context was read: %v", st.Err)
	}
}

// The platform is part of what FROM says: another one is not the same base moved.
func TestAnotherBaseIsNoMove(t *testing.T) {
	tree := fakeTree{"app.df": "from php:8.3\nfiles tool:1\ncopy x", "x": "1"}
	edit := edited(tree, "app.df", "from php:8.4\nfiles tool:2\ncopy x")
	if got := decisions(compare(t, images("app"), tree, edit)); got != "app: dockerfile app.df" {
		t.Errorf("got %s", got)
	}
}
