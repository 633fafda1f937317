package llb

import (
	"context"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"rebuild/impact"
)

type files map[string]string

func (f files) read(_ context.Context, path string) ([]byte, error) {
	if s, ok := f[path]; ok {
		return []byte(s), nil
	}
	return nil, fs.ErrNotExist
}

func assumed(_ context.Context, ref, platform string) (impact.Base, error) {
	return AssumedBase(ref, platform), nil
}

func graph(t *testing.T, im impact.Image, f files) *impact.Graph {
	t.Helper()
	if im.Dockerfile == "" {
		im.Dockerfile = "Dockerfile"
	}
	if im.Context == "" {
		im.Context = "."
	}
	g, err := Convert(t.Context(), im, f.read, assumed)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range g.Layers {
		for _, in := range l.Inputs {
			if in >= i {
				t.Fatalf("layer %d takes %d, which is not before it", i, in)
			}
		}
	}
	return g
}

// reads lists what the layers of a graph read, as "context path".
func reads(g *impact.Graph) string {
	var out []string
	for _, l := range g.Layers {
		for _, r := range l.Reads {
			s := r.Context + " " + r.Path
			if len(r.Ignore.Patterns) > 0 {
				s += " without " + strings.Join(r.Ignore.Patterns, ",") + " of " + r.Ignore.File
			}
			out = append(out, s)
		}
	}
	return strings.Join(out, "; ")
}

func TestReads(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files files
		image impact.Image
		want  string
	}{
		{"copy", files{"Dockerfile": "FROM a\nCOPY x/ y /d/\n"}, impact.Image{}, ". /x; . /y"},
		{"nothing", files{"Dockerfile": "FROM a\nRUN b\n"}, impact.Image{}, ""},
		{"json form", files{"Dockerfile": "FROM a\nCOPY [\"a b\", \"/d/\"]\n"}, impact.Image{}, ". /a b"},
		{"bind mount", files{"Dockerfile": "FROM a\nRUN --mount=type=bind,source=d,target=/d b\n"}, impact.Image{}, ". /d"},
		{"bind mount of all", files{"Dockerfile": "FROM a\nRUN --mount=target=/d b\n"}, impact.Image{}, ". /"},
		{"unreachable stage", files{"Dockerfile": "FROM a AS t\nCOPY t /\nFROM a\nCOPY u /\n"}, impact.Image{}, ". /u"},
		{"target stage", files{"Dockerfile": "FROM a AS t\nCOPY t /\nFROM a\nCOPY u /\n"}, impact.Image{Target: "t"}, ". /t"},
		{"stage reached by copy", files{"Dockerfile": "FROM a AS t\nCOPY t /\nFROM a\nCOPY --from=t /t /\n"}, impact.Image{}, ". /t"},
		{"argument", files{"Dockerfile": "FROM a\nARG D=x\nCOPY $D /\n"}, impact.Image{Args: map[string]string{"D": "y"}}, ". /y"},
		{"ignore file", files{"Dockerfile": "FROM a\nCOPY . /\n", ".dockerignore": "*.md\n"}, impact.Image{}, ". / without *.md of .dockerignore"},
		{"own ignore file", files{"d/app.Dockerfile": "FROM a\nCOPY . /\n", "d/app.Dockerfile.dockerignore": "b\n", ".dockerignore": "c\n"},
			impact.Image{Dockerfile: "d/app.Dockerfile"}, ". / without b of d/app.Dockerfile.dockerignore"},
		{"empty own ignore file", files{"Dockerfile": "FROM a\nCOPY . /\n", "Dockerfile.dockerignore": "", ".dockerignore": "c\n"},
			impact.Image{}, ". / without c of .dockerignore"},
		{"named context folder", files{"Dockerfile": "FROM a\nCOPY --from=t /f /\n", "tpl/.dockerignore": "z\n"},
			impact.Image{Contexts: []impact.NamedContext{{Name: "t", Dir: "tpl"}}}, "tpl /f without z of tpl/.dockerignore"},
		{"named context as base", files{"Dockerfile": "FROM t\nRUN x\n"},
			impact.Image{Contexts: []impact.NamedContext{{Name: "t", Dir: "tpl"}}}, "tpl /"},
		{"heredoc", files{"Dockerfile": "FROM a\nCOPY <<E /f\nx\nE\n"}, impact.Image{}, ""},
		{"inline", files{}, impact.Image{Inline: "FROM a\nCOPY q /\n"}, ". /q"},
		{"lower case", files{"dockerfile": "FROM a\nCOPY q /\n"}, impact.Image{}, ". /q"},
		{"CRLF", files{"Dockerfile": "FROM a\r\nCOPY q /\r\n"}, impact.Image{}, ". /q"},
		{"ambiguous context", files{"d/Dockerfile": "FROM a\nCOPY x /\n", ".dockerignore": "q"}, impact.Image{Dockerfile: "d/Dockerfile", Ambiguous: true},
			". /x without q of .dockerignore; . / without q of .dockerignore"},
		{"third-party frontend", files{"Dockerfile": "# syntax=example.com/x\nFROM a\n", ".dockerignore": "q"}, impact.Image{}, ". / without q of .dockerignore"},
		{"docker's frontend", files{"Dockerfile": "# syntax=docker/dockerfile:1-labs\nFROM a\nCOPY q /\n"}, impact.Image{}, ". /q"},
		{"link", files{"Dockerfile": "FROM a\nCOPY --link q /\n"}, impact.Image{}, ". /q"},
		{"add", files{"Dockerfile": "FROM a\nADD q.tar /\n"}, impact.Image{}, ". /q.tar"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := reads(graph(t, tc.image, tc.files)); got != tc.want {
				t.Errorf("reads %q, want %q", got, tc.want)
			}
		})
	}
}

func TestOnbuildOfABase(t *testing.T) {
	f := files{"Dockerfile": "FROM base\nRUN b\n"}
	onbuild := func(context.Context, string, string) (impact.Base, error) {
		return impact.Base{Config: BaseConfig([]byte(`{"os":"linux","config":{"OnBuild":["COPY all /all"],"WorkingDir":"/w","User":"me"}}`), "k")}, nil
	}
	g, err := Convert(t.Context(), impact.Image{Dockerfile: "Dockerfile", Context: "c"}, f.read, onbuild)
	if err != nil {
		t.Fatal(err)
	}
	if got := reads(g); got != "c /all" {
		t.Errorf("reads %q", got)
	}
	for _, l := range g.Layers {
		if len(l.Reads) > 0 && l.Line != 1 {
			t.Errorf("the ONBUILD step has line %d, want that of FROM", l.Line)
		}
	}
}

func TestConversionIsStable(t *testing.T) {
	f := files{"Dockerfile": "FROM a AS x\nCOPY q /\nRUN --mount=target=/m r\nFROM b\nCOPY --from=x /q /\nCOPY <<E /f\nx\nE\n"}
	a, b := graph(t, impact.Image{}, f), graph(t, impact.Image{}, f)
	for i := range a.Layers {
		if a.Layers[i].Op != b.Layers[i].Op {
			t.Errorf("layer %d (%s) has another operation in a second conversion", i, a.Layers[i].Name)
		}
	}
	if string(a.Config) != string(b.Config) {
		t.Error("another config in a second conversion")
	}
}

func TestSameOperations(t *testing.T) {
	base := "FROM a\nENV K v\nRUN x\nCOPY f /g\nCMD [\"c\"]\n"
	for name, text := range map[string]string{
		"comment":    "# hello\nFROM a\n\n# more\nENV K v\nRUN x\nCOPY f /g\nCMD [\"c\"]\n",
		"whitespace": "FROM   a\nENV   K v\nRUN   x\nCOPY  f   /g\nCMD [ \"c\" ]\n",
		"case":       "from a\nenv K v\nrun x\ncopy f /g\ncmd [\"c\"]\n",
		"env form":   "FROM a\nENV K=v\nRUN x\nCOPY f /g\nCMD [\"c\"]\n",
		"json form":  "FROM a\nENV K v\nRUN x\nCOPY [\"f\", \"/g\"]\nCMD [\"c\"]\n",
		"stage name": "FROM a AS other\nENV K v\nRUN x\nCOPY f /g\nCMD [\"c\"]\n",
	} {
		a := graph(t, impact.Image{}, files{"Dockerfile": base})
		b := graph(t, impact.Image{}, files{"Dockerfile": text})
		for i := range a.Layers {
			if a.Layers[i].Op != b.Layers[i].Op {
				t.Errorf("%s: layer %d is another operation", name, i)
			}
		}
		if string(a.Config) != string(b.Config) {
			t.Errorf("%s: config\n%s\n%s", name, a.Config, b.Config)
		}
	}
}

// TestMarks finds the layers of --link, by the flag alone, and those that have no
// place of their own.
func TestMarks(t *testing.T) {
	text := "FROM a\nCOPY --link f /g\nCOPY --link=false f /h\nADD \\\n  --link f /i\n" +
		"RUN echo --link\nCOPY <<E /--link\nx\nE\nRUN --mount=type=cache,target=/c,uid=1 y\n"
	g := graph(t, impact.Image{}, files{"Dockerfile": text, "f": ""})
	linked, inline := map[int]bool{}, 0
	for _, l := range g.Layers {
		if l.Link {
			linked[l.Line] = true
		}
		if l.Inline {
			inline++
		}
	}
	if !maps.Equal(linked, map[int]bool{2: true, 4: true}) {
		t.Errorf("linked are the layers of the lines %v, want 2 and 4", slices.Sorted(maps.Keys(linked)))
	}
	if inline != 2 {
		t.Errorf("%d layers without a place, want the document and the folder of the cache", inline)
	}
}

func TestFaults(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		image      impact.Image
		want       string
	}{
		{"unknown instruction", "FROM a\nRUNN x\n", impact.Image{}, "Dockerfile:2: unknown instruction: RUNN"},
		{"empty", "", impact.Image{}, "Dockerfile: the Dockerfile cannot be empty"},
		{"unset argument", "ARG B\nFROM $B\n", impact.Image{}, "Dockerfile:2: base name ($B) should not be blank"},
		{"unknown stage", "FROM a\n", impact.Image{Target: "t"}, "Dockerfile: target stage \"t\" could not be found"},
		{"no Dockerfile", "-", impact.Image{}, "Dockerfile: no such Dockerfile"},
		{"the linter's warning as an error", "# check=error=true\nFROM a\nWORKDIR x\nrun y\n", impact.Image{}, "Dockerfile:3: WorkdirRelativePath: "},
		{"the same by an argument", "FROM a AS Build\n", impact.Image{Args: map[string]string{"BUILDKIT_DOCKERFILE_CHECK": "error=true"}}, "Dockerfile:1: StageNameCasing: "},
		{"unterminated heredoc", "FROM a\nRUN cat <<E\nx\n", impact.Image{}, "Dockerfile:2: unterminated heredoc"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := files{"Dockerfile": tc.text}
			if tc.text == "-" {
				f = files{}
			}
			tc.image.Dockerfile, tc.image.Context = "Dockerfile", "."
			g := graph(t, tc.image, f)
			if g.Fault == nil || !strings.HasPrefix(g.Fault.Error(), tc.want) {
				t.Errorf("%v, want %q", g.Fault, tc.want)
			}
			if judged := len(g.Assumed) > 0; g.Unjudged == judged || judged != (tc.name == "unset argument") {
				t.Errorf("unjudged: %v, assumed: %q", g.Unjudged, g.Assumed)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	f := files{"Dockerfile": "ARG B=a\nFROM $B\nRUN pip --index whl/cu121\n"}
	im := impact.Image{
		Name: "asr-cpu", Dockerfile: "Dockerfile", Context: ".",
		Contexts:   []impact.NamedContext{{Name: "other:cuda", Ref: "other:cpu"}},
		Substitute: []impact.Substitution{{Old: "whl/cu999", New: "whl/cpu"}},
	}
	g := graph(t, im, f)
	if len(g.Warnings) != 2 {
		t.Fatalf("warnings %q, want one of the text and one of the reference", g.Warnings)
	}
}

func FuzzConvert(f *testing.F) {
	f.Add("FROM a\nCOPY . /\nRUN --mount=target=/x y\n", "*.md\n!a\n")
	f.Add("# syntax=x\nFROM a\n", "[")
	f.Add("FROM a\nENV A=${B:-$A$A}aaaaaaaa\n"+lines(40, "ENV A=${A//a/$A}$A"), lines(6000, "p#"))
	f.Add("ARG B\nFROM $B\n# check=skip=all\nCOPY --link a /\n", "")
	f.Add("ARG B\nFROM t/\xe9${B}\xea\nRUN echo \xe9\n", "")
	f.Add("FROM a\nCOPY --from=0 a b\nONBUILD RUN x\nHEALTHCHECK NONE\n", "")
	f.Fuzz(func(t *testing.T, text, ignore string) {
		fs := files{"Dockerfile": text, ".dockerignore": ignore}
		im := impact.Image{Name: "x", Dockerfile: "Dockerfile", Context: "."}
		g, err := Convert(t.Context(), im, fs.read, assumed)
		if err != nil {
			t.Fatal(err)
		}
		if g.Output >= len(g.Layers) {
			t.Fatalf("output %d of %d layers", g.Output, len(g.Layers))
		}
	})
}

func BenchmarkConvert(b *testing.B) {
	f := files{"Dockerfile": "FROM a\nRUN x\nWORKDIR /app\nCOPY requirements.txt .\nRUN pip\nCOPY shared/ /app/shared/\nCOPY x.py .\nCMD [\"x\"]\n"}
	im := impact.Image{Name: "x", Dockerfile: "Dockerfile", Context: "."}
	for b.Loop() {
		if _, err := Convert(b.Context(), im, f.read, assumed); err != nil {
			b.Fatal(err)
		}
	}
}
