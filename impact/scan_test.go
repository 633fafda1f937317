package impact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fakeTree holds files by path; a selection of it is all files below its path.
type fakeTree map[string]string

func (t fakeTree) ReadFile(_ context.Context, path string) ([]byte, error) {
	if s, ok := t[path]; ok {
		return []byte(s), nil
	}
	return nil, fs.ErrNotExist
}

func (t fakeTree) Read(_ context.Context, sel Selection) (*Reading, error) {
	rd := &Reading{}
	var parts []string
	for _, path := range slices.Sorted(maps.Keys(t)) {
		if "/"+path == sel.Path || strings.HasPrefix("/"+path, sel.Path+"/") {
			if slices.Contains(sel.Ignore.Patterns, path) {
				continue
			}
			d := DigestOf("content", t[path])
			rd.Files = append(rd.Files, File{Path: path, Mode: 0o644, Digest: d})
			parts = append(parts, path, string(d))
		}
	}
	if rd.Files == nil {
		rd.Missing = strings.TrimPrefix(sel.Path, "/")
	}
	rd.Digest = DigestOf("reading", parts...)
	return rd, nil
}

// fakeConvert reads a small language: lines "from REF", "copy PATH", "files REF",
// "label X", "run X", "fresh X" (run without the cache), and "env X", which changes the operations of those built on it.
func fakeConvert(ctx context.Context, im Image, read ReadFile, resolve Resolve) (*Graph, error) {
	text, err := read(ctx, im.Dockerfile)
	if err != nil {
		return nil, &Fault{Path: im.Dockerfile, Cause: "no such Dockerfile"}
	}
	g := &Graph{Output: -1, Text: DigestOf("text", string(text))}
	var ignore Ignore
	if dt, err := read(ctx, ".dockerignore"); err == nil {
		ignore = Ignore{File: ".dockerignore", Patterns: strings.Fields(string(dt))}
	}
	var config, env string
	add := func(l Layer) {
		if l.From == "" {
			l.Op = DigestOf("op", string(l.Op), env)
			if g.Output >= 0 {
				l.Inputs = append(l.Inputs, g.Output)
			}
		}
		g.Layers = append(g.Layers, l)
		g.Output = len(g.Layers) - 1
	}
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		verb, arg, _ := strings.Cut(line, " ")
		if v, ok := im.Args[strings.TrimPrefix(arg, "$")]; ok && strings.HasPrefix(arg, "$") {
			arg = v
		}
		place := Layer{File: im.Dockerfile, Line: i + 1, Instruction: line, Name: line}
		switch verb {
		case "from", "files":
			base, err := resolve(ctx, arg, "")
			if err != nil {
				return nil, err
			}
			place.From, place.Op, place.FilesOnly = arg, "image", verb == "files"
			if verb == "from" {
				config, env = string(base.Config), string(base.Config)
				if i := strings.LastIndex(env, "env "); i >= 0 {
					env = env[i:]
				} else {
					env = ""
				}
				add(place)
			} else {
				g.Layers = append(g.Layers, place)
				src := len(g.Layers) - 1
				add(Layer{Op: "copy from image", Inputs: []int{src}, File: im.Dockerfile, Line: i + 1, Instruction: line, Name: line})
			}
			g.Refs = append(g.Refs, arg)
		case "copy":
			place.Op = "copy"
			place.Reads = []Selection{{Context: im.Context, Ignore: ignore, Path: "/" + arg}}
			add(place)
		case "run", "fresh":
			place.Op, place.Always = DigestOf("run", arg), verb == "fresh"
			add(place)
		case "label":
			config += "label " + arg + "\n"
		case "env":
			config += "env " + arg + "\n"
			env = "env " + arg
		case "#":
		default:
			return nil, &Fault{Path: im.Dockerfile, Line: i + 1, Cause: "unknown instruction: " + verb}
		}
	}
	g.Config = []byte(config)
	return g, nil
}

func testScanner() Scanner {
	return Scanner{
		Convert: fakeConvert,
		WithKey: func(config []byte, _ Digest) []byte { return config },
		External: func(_ context.Context, ref, _ string) (Base, error) {
			return Base{Key: DigestOf("external", ref)}, nil
		},
	}
}

// images makes a catalog of images "name" with Dockerfile "name.df" and tag
// "name".
func images(names ...string) Catalog {
	var cat Catalog
	for _, n := range names {
		cat.Images = append(cat.Images, Image{Name: n, Dockerfile: n + ".df", Context: ".", Tags: []string{n}, Refs: []string{n}})
	}
	return cat
}

func snapshot(t testing.TB, cat Catalog, tree fakeTree) *Snapshot {
	t.Helper()
	s, err := testScanner().Scan(t.Context(), cat, tree)
	if err != nil {
		t.Fatal(err)
	}
	checkSnapshot(t, s)
	return s
}

// checkSnapshot holds what must be true of every snapshot: each image once,
// parents first, inputs before their layers.
func checkSnapshot(t testing.TB, s *Snapshot) {
	t.Helper()
	if len(s.Order) != len(s.Catalog.Images) || len(s.States) != len(s.Order) {
		t.Fatalf("%d images, %d in order, %d states", len(s.Catalog.Images), len(s.Order), len(s.States))
	}
	at := map[string]int{}
	for i, n := range s.Order {
		if _, twice := at[n]; twice {
			t.Fatalf("%s is there twice", n)
		}
		at[n] = i
		for _, p := range s.ParentsOf(n) {
			if pi, ok := at[p]; !ok || pi >= i {
				t.Fatalf("%s stands before its parent %s", n, p)
			}
		}
		for j, l := range s.States[n].Layers {
			for _, in := range l.Inputs {
				if in >= j {
					t.Fatalf("%s: layer %d takes %d", n, j, in)
				}
			}
		}
	}
}

func compare(t testing.TB, cat Catalog, before, after fakeTree) *Plan {
	t.Helper()
	return compareCatalogs(t, cat, cat, before, after)
}

func compareCatalogs(t testing.TB, was, is Catalog, before, after fakeTree) *Plan {
	t.Helper()
	p, err := Make(t.Context(), Inputs{
		Baseline: snapshot(t, was, before), Target: snapshot(t, is, after), TargetFiles: after, Selected: is.Names(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// edited is a copy of a tree with files changed, or removed by "-".
func edited(t fakeTree, changes ...string) fakeTree {
	out := maps.Clone(t)
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == "-" {
			delete(out, changes[i])
		} else {
			out[changes[i]] = changes[i+1]
		}
	}
	return out
}

// decisions is a plan in short: "image: reason, reason; ..." of what is rebuilt.
func decisions(p *Plan) string {
	var out []string
	for _, im := range p.Images {
		if im.Action != Rebuild {
			continue
		}
		var why []string
		for _, r := range im.Reasons {
			s := string(r.Kind)
			for _, what := range []string{r.Path, r.Image, r.Arg, string(r.Field), string(r.Missing), r.Ref} {
				if what != "" {
					s += " " + what
				}
			}
			for _, value := range []struct {
				name string
				is   *string
			}{{"now", r.New}, {"was", r.Old}} {
				if value.is != nil {
					s += fmt.Sprintf(" %s %q", value.name, *value.is)
				}
			}
			if r.Fault != nil {
				s += " " + r.Fault.Cause
			}
			why = append(why, s)
		}
		out = append(out, im.Name+": "+strings.Join(why, ", "))
	}
	return strings.Join(out, "; ")
}

var pipeline = fakeTree{
	"base.df":   "from os\ncopy deps\nrun install",
	"asr.df":    "from base\ncopy shared\ncopy asr.py",
	"mux.df":    "from base\ncopy mux.py",
	"tool.df":   "from os\nfiles mux\nrun x",
	"deps":      "1",
	"shared/a":  "1",
	"shared/b":  "1",
	"asr.py":    "1",
	"mux.py":    "1",
	"README.md": "1",
}

func TestDecisions(t *testing.T) {
	cat := images("base", "asr", "mux", "tool")
	for _, tc := range []struct {
		name    string
		changes []string
		want    string
	}{
		{"nothing", nil, ""},
		{"a file that nothing reads", []string{"README.md", "2"}, ""},
		{"a file of one image", []string{"asr.py", "2"}, "asr: file asr.py"},
		{"two files of one image", []string{"shared/b", "2", "shared/c", "1"}, "asr: file shared/b, file shared/c"},
		{"a file of the base", []string{"deps", "2"}, "base: file deps; asr: parent base; mux: parent base; tool: parent mux"},
		{"a comment", []string{"base.df", "# hello\nfrom os\ncopy deps\nrun install"}, ""},
		{"a step", []string{"asr.df", "from base\ncopy shared\ncopy asr.py\nrun y"}, "asr: dockerfile asr.df"},
		{"a label of a base", []string{"base.df", "from os\ncopy deps\nrun install\nlabel x"},
			"base: dockerfile base.df; asr: parent base; mux: parent base"},
		{"an environment of a base", []string{"base.df", "from os\ncopy deps\nrun install\nenv x"},
			"base: dockerfile base.df; asr: parent base; mux: parent base; tool: parent mux"},
		{"another external base", []string{"base.df", "from os2\ncopy deps\nrun install"},
			"base: dockerfile base.df; asr: parent base; mux: parent base; tool: parent mux"},
		{"a removed file", []string{"shared/b", "-"}, "asr: file shared/b"},
		{"an ignore file that hides a file", []string{".dockerignore", "shared/b"}, "asr: ignore .dockerignore"},
		{"an ignore file that hides what nothing reads", []string{".dockerignore", "README.md"}, ""},
		{"an ignore file and a file", []string{".dockerignore", "shared/b", "shared/a", "2"}, "asr: ignore .dockerignore, file shared/a"},
		{"a missing source", []string{"mux.py", "-"}, "mux: file mux.py; tool: parent mux"},
		{"a broken Dockerfile", []string{"mux.df", "fromm base"}, "mux: dockerfile mux.df; tool: parent mux"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := decisions(compare(t, cat, pipeline, edited(pipeline, tc.changes...))); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// Steps without the cache run whenever their image is rebuilt, and are no reason
// for that.
func TestWithoutCache(t *testing.T) {
	cat := images("a")
	tree := fakeTree{"a.df": "from os\ncopy f\nfresh x\nrun y\ncopy g", "f": "1", "g": "1"}
	for _, tc := range []struct {
		changes []string
		want    int
	}{{nil, 0}, {[]string{"g", "2"}, 2}, {[]string{"f", "2"}, 4}} {
		p := compare(t, cat, tree, edited(tree, tc.changes...))
		if got := p.Image("a").Predicted(); got != tc.want || (p.Image("a").Action == Keep) != (tc.want == 0) {
			t.Errorf("%v: %s, %d steps run, want %d", tc.changes, p.Image("a").Action, got, tc.want)
		}
	}
}

func TestDefinitionChanges(t *testing.T) {
	base := images("a")
	base.Images[0].Args = map[string]string{"V": "1"}
	tree := fakeTree{"a.df": "from os\nrun $V", "b.df": "from os\nrun $V"}
	for _, tc := range []struct {
		name string
		edit func(*Image)
		want string
	}{
		{"an argument", func(im *Image) { im.Args = map[string]string{"V": "2"} }, "a: arg V"},
		{"an argument that nothing uses", func(im *Image) { im.Args = map[string]string{"V": "1", "W": "1"} }, ""},
		{"a tag", func(im *Image) { im.Tags = []string{"a", "b"} }, `a: config tag now "b"`},
		{"a tag less", func(im *Image) { im.Tags = nil }, ""},
		{"the same text in another file", func(im *Image) { im.Dockerfile = "b.df" }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cat := images("a")
			cat.Images[0].Args = map[string]string{"V": "1"}
			tc.edit(&cat.Images[0])
			if got := decisions(compareCatalogs(t, base, cat, tree, tree)); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
	for name, want := range map[string]string{"V": `a: arg V now "2" was "1"`, "V_TOKEN": "a: arg V_TOKEN"} {
		t.Run("values that are shown: "+name, func(t *testing.T) {
			old, cat := images("a"), images("a")
			old.Images[0].Args, cat.Images[0].Args = map[string]string{name: "1"}, map[string]string{name: "2"}
			cat.Values = NewValues(nil, true)
			files := fakeTree{"a.df": "from os\nrun $" + name}
			if got := decisions(compareCatalogs(t, old, cat, files, files)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	t.Run("a new image", func(t *testing.T) {
		p := compareCatalogs(t, images("a"), images("a", "b"), tree, tree)
		if got := decisions(p); got != "b: new" {
			t.Errorf("got %s", got)
		}
		if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "a and b have identical inputs") {
			t.Errorf("warnings %q", p.Warnings)
		}
	})
	t.Run("a removed image", func(t *testing.T) {
		p := compareCatalogs(t, images("a", "b"), images("a"), tree, tree)
		if decisions(p) != "" || !slices.Equal(p.Removed, []string{"b"}) {
			t.Errorf("got %s, removed %s", decisions(p), p.Removed)
		}
	})
}

func TestBroken(t *testing.T) {
	cat := images("base", "asr", "mux", "tool")
	broken := edited(pipeline, "mux.py", "-")
	t.Run("on both sides", func(t *testing.T) {
		p := compare(t, cat, broken, broken)
		if got := decisions(p); got != "" {
			t.Errorf("got %s", got)
		}
		if len(p.Warnings) != 2 || !strings.Contains(p.Warnings[0], "as before") {
			t.Errorf("warnings %q", p.Warnings)
		}
	})
	t.Run("mended", func(t *testing.T) {
		if got := decisions(compare(t, cat, broken, pipeline)); got != "mux: file mux.py; tool: parent mux" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("its error has a place, and so have its dependents", func(t *testing.T) {
		p := compare(t, cat, pipeline, broken)
		if got := p.Image("mux").Err.Error(); got != "mux.df:2: copy mux.py: mux.py is not in the build context ." {
			t.Errorf("got %s", got)
		}
		if got := p.Image("tool").Err.Error(); !strings.HasPrefix(got, "mux.df:2: its parent mux cannot be built: ") {
			t.Errorf("got %s", got)
		}
		if p.Image("asr").Err != nil {
			t.Error("a sibling has the error too")
		}
		if got := len(p.Broken()); got != 2 {
			t.Errorf("%d broken", got)
		}
	})
}

func TestCycle(t *testing.T) {
	tree := fakeTree{"a.df": "from b", "b.df": "from c", "c.df": "from a", "d.df": "from a", "e.df": "from e"}
	_, err := testScanner().Scan(t.Context(), images("d", "a", "b", "c"), tree)
	var c *Cycle
	if !errors.As(err, &c) || c.Error() != "dependency cycle: a -> b -> c -> a" {
		t.Errorf("got %v", err)
	}
	if _, err := testScanner().Scan(t.Context(), images("e"), tree); err != nil {
		t.Errorf("an image on its own older tag: %v", err)
	}
}

func TestOneTagTwoImages(t *testing.T) {
	cat := images("a", "b", "c")
	cat.Images[1].Refs = []string{"a"}
	s := snapshot(t, cat, fakeTree{"a.df": "run x", "b.df": "run y", "c.df": "from a"})
	if s.States["a"].Err != nil || s.States["b"].Err != nil {
		t.Error("images that do not read the tag have an error")
	}
	if err := s.States["c"].Err; err == nil || err.Cause != "the tag a is built by both a and b" {
		t.Errorf("got %v", err)
	}
}

func TestFacts(t *testing.T) {
	cat := images("base", "asr", "mux", "tool")
	s := snapshot(t, cat, pipeline)
	p, err := Make(t.Context(), Inputs{Baseline: s, Target: s, Selected: []string{"asr"}, Facts: Facts{
		Missing: map[string]Missing{"base": {Kind: TagGone, Ref: "b:1"}}, Failed: map[string]bool{"asr": true}, Moved: map[string]string{"mux": "base"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := decisions(p); got != "base: missing tag-gone b:1; asr: failed; mux: parent base" {
		t.Errorf("got %s", got)
	}
	if got := p.Rebuilds(); !slices.Equal(got, []string{"base", "asr"}) {
		t.Errorf("%s are to be rebuilt, though only asr and its parent are asked for", got)
	}
	if p.Image("asr").WaitsOnly() || !p.Image("mux").WaitsOnly() {
		t.Error("who waits only for a parent")
	}
}

func TestPhases(t *testing.T) {
	cat := images("base", "asr", "mux", "tool")
	phases, of, err := Phases(snapshot(t, cat, pipeline))
	if err != nil || len(phases) != 3 || of["base"] != 0 || of["asr"] != 1 || of["tool"] != 2 {
		t.Errorf("by depth: %v %v %v", phases, of, err)
	}
	cat.Phases = []Phase{{Name: "one", Images: []string{"asr", "tool"}}, {Name: "two", Images: []string{"base", "mux"}}}
	_, _, err = Phases(snapshot(t, cat, pipeline))
	if err == nil || !strings.Contains(err.Error(), `phase "one" holds asr, but it is built on base of the later phase "two"`) {
		t.Errorf("got %v", err)
	}
}

// TestProperties changes random files of random repositories: more changed
// paths never give fewer images, nothing changed gives nothing, and what is kept
// reads nothing that changed.
func TestProperties(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		cat, tree := randomRepository(r)
		if p := compare(t, cat, tree, maps.Clone(tree)); decisions(p) != "" {
			t.Fatalf("nothing changed, yet %s", decisions(p))
		}
		few := maps.Clone(tree)
		many := maps.Clone(tree)
		for path := range tree {
			if strings.HasSuffix(path, ".df") {
				continue
			}
			if r.IntN(4) == 0 {
				few[path], many[path] = "new", "new"
			} else if r.IntN(4) == 0 {
				many[path] = "new"
			}
		}
		a, b := compare(t, cat, tree, few), compare(t, cat, tree, many)
		for _, im := range a.Images {
			if im.Action == Rebuild && b.Image(im.Name).Action != Rebuild {
				t.Fatalf("%s is rebuilt for few changes, kept for more", im.Name)
			}
		}
		for _, im := range b.Images {
			changed := reachesChange(cat, tree, many, im.Name)
			if (im.Action == Rebuild) != changed {
				t.Fatalf("%s: %s, though it reaches a change: %v", im.Name, im.Action, changed)
			}
		}
	}
}

func randomRepository(r *rand.Rand) (Catalog, fakeTree) {
	tree := fakeTree{}
	var names []string
	for i := range 2 + r.IntN(8) {
		name := fmt.Sprintf("i%d", i)
		text := "from os"
		if i > 0 && r.IntN(3) > 0 {
			text = "from " + names[r.IntN(i)]
		}
		for range r.IntN(4) {
			f := fmt.Sprintf("f%d", r.IntN(10))
			tree[f] = "old"
			text += "\ncopy " + f
		}
		if i > 0 && r.IntN(3) == 0 {
			text += "\nfiles " + names[r.IntN(i)]
		}
		tree[name+".df"] = text
		names = append(names, name)
	}
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return images(names...), tree
}

// reachesChange decides the same thing the naive way.
func reachesChange(cat Catalog, before, after fakeTree, name string) bool {
	for _, line := range strings.Split(before[name+".df"], "\n") {
		verb, arg, _ := strings.Cut(line, " ")
		if verb == "copy" && before[arg] != after[arg] {
			return true
		}
		if _, ours := cat.Image(arg); ours && verb != "copy" && reachesChange(cat, before, after, arg) {
			return true
		}
	}
	return false
}

func TestRemember(t *testing.T) {
	var converted sync.Map
	s := testScanner()
	s.Convert = Remember(func(ctx context.Context, im Image, read ReadFile, resolve Resolve) (*Graph, error) {
		converted.Store(im.Name, true)
		return fakeConvert(ctx, im, read, resolve)
	})
	cat := images("base", "asr", "mux", "tool")
	first, err := s.Scan(t.Context(), cat, pipeline)
	if err != nil {
		t.Fatal(err)
	}
	converted.Clear()
	after := edited(pipeline, "asr.df", "from base\nrun q")
	second, err := s.Scan(t.Context(), cat, after)
	if err != nil {
		t.Fatal(err)
	}
	converted.Range(func(name, _ any) bool {
		if name != "asr" {
			t.Errorf("%s was converted again", name)
		}
		return true
	})
	fresh := snapshot(t, cat, after)
	for _, n := range cat.Names() {
		if second.States[n].Output != fresh.States[n].Output || !slices.Equal(second.ParentsOf(n), fresh.ParentsOf(n)) {
			t.Errorf("%s: another state than a fresh scan's", n)
		}
	}
	if first.States["asr"].Output == second.States["asr"].Output {
		t.Error("the change of asr was not seen")
	}
}
