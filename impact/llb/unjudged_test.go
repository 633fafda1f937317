package llb

import (
	"context"
	"slices"
	"strings"
	"testing"

	"rebuild/impact"
)

// What cannot be converted reads all that a build may read.
func TestWithoutLayers(t *testing.T) {
	const broken = "FROM a\nRUNN x\n"
	for _, tc := range []struct {
		name  string
		image impact.Image
		files files
		want  string
	}{
		{"its context", impact.Image{}, files{"Dockerfile": broken}, ". / without .git of "},
		{
			"the ignore file in effect", impact.Image{Context: "c", Dockerfile: "x/D"},
			files{"x/D": broken, "c/.dockerignore": "a\n", "x/D.dockerignore": "b\n"}, "c / without b,.git of x/D.dockerignore; x /D.dockerignore",
		},
		{"a bad ignore file", impact.Image{}, files{"Dockerfile": "FROM a\n", ".dockerignore": "a\n[\n"}, ". / without .git of .dockerignore; . /.dockerignore"},
		{"named folders", impact.Image{Contexts: []impact.NamedContext{{Name: "n", Dir: "d"}, {Name: "r", Ref: "r"}}}, files{"Dockerfile": broken}, ". / without .git of ; d / without .git of "},
		{"no Dockerfile", impact.Image{}, files{}, ". /Dockerfile; . / without .git of "},
		{"a definition at fault", impact.Image{Fault: &impact.Fault{Cause: "x"}}, files{"Dockerfile": "FROM a\n"}, ". / without .git of "},
		{"a remote context at fault", impact.Image{RemoteContext: "https://x.example/a.git", Fault: &impact.Fault{Cause: "x"}}, files{}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := graph(t, tc.image, tc.files)
			if g.Fault == nil || !g.Unjudged {
				t.Errorf("fault %v, unjudged %v", g.Fault, g.Unjudged)
			}
			if got := reads(g); got != tc.want {
				t.Errorf("reads %q, want %q", got, tc.want)
			}
		})
	}
}

// A fault of a tag leaves what is read as it is.
func TestFaultOfTag(t *testing.T) {
	f := files{"Dockerfile": "FROM a\nCOPY x /\n"}
	g := graph(t, impact.Image{Fault: &impact.Fault{Cause: "x"}, FaultOfTag: true}, f)
	if g.Fault == nil || g.Unjudged || reads(g) != ". /x" {
		t.Errorf("fault %v, unjudged %v, reads %q", g.Fault, g.Unjudged, reads(g))
	}
}

func TestStandIns(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       string // the arguments that have a stand-in; "": it cannot be judged by layers
		lines      string // of what it reads, with a stand-in
	}{
		{"a platform", "ARG P\nFROM --platform=$P a\nCOPY x /\n", "P", ". /x"},
		{"a part of one", "ARG A\nFROM --platform=linux/${A} a\nCOPY x /\n", "A", ". /x"},
		{"system and machine", "ARG S A\nFROM --platform=${S}/${A} a\nCOPY x /\n", "A S", ". /x"},
		{"a name", "ARG B\nFROM $B\nCOPY x /\n", "B", ". /x"},
		{"a tag", "ARG T\nFROM a:$T\nCOPY x /\n", "T", ". /x"},
		{"a digest", "ARG D\nFROM a@$D\nCOPY x /\n", "D", ". /x"},
		{"by another's default", "ARG V\nARG T=v$V\nARG B=a:$T\nFROM $B:\n", "", ""},
		{"through defaults", "ARG V\nARG B=a:$V\nFROM $B\nCOPY x /\n", "V", ". /x"},
		{"not declared", "FROM --platform=${P} a\nCOPY x /\n", "P", ". /x"},
		{"a stage", "ARG K\nFROM a AS k-a\nCOPY x /\nFROM a AS k-b\nCOPY y /\nFROM k-$K\n", "", ""},
		{"any stage", "ARG K\nFROM a AS s1\nCOPY x /\nFROM $K\n", "", ""},
		{"the start of a stage", "ARG P K\nFROM --platform=$P a AS s1\nCOPY x /\nFROM a AS s2\nCOPY y /\nFROM s${K}\n", "", ""},
		{"the end of a stage", "ARG K\nFROM a AS s-a\nCOPY x /\nFROM \\\n${K}-a\n", "", ""},
		{"a stage by a default", "ARG K\nARG S=s-$K\nFROM a AS s-1\nCOPY x /\nFROM $S\n", "", ""},
		{"no stage can be meant", "ARG K\nFROM a AS k\nCOPY x /\nFROM b:$K\nCOPY --from=k / /\nCOPY y /\n", "K", ". /x; . /y"},
		{"what is read depends on it", "ARG V\nFROM a:$V\nARG V\nCOPY $V /\n", "", ""},
		{"what runs depends on it", "ARG V\nFROM a:$V\nARG V\nRUN x $V\nCOPY x /\n", "V", ". /x"},
		{"another fault besides", "ARG V\nFROM a:$V\nCOPY --from=a:$V x /\nRUNN\n", "", ""},
		{"an empty default", "ARG P=\nFROM --platform=$P a\nCOPY x /\n", "P", ". /x"},
		{"a target without it", "ARG V\nFROM a:$V AS v\nFROM b\nCOPY x /\n", "V", ". /x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := graph(t, impact.Image{}, files{"Dockerfile": tc.text})
			if got := strings.Join(g.Assumed, " "); g.Fault == nil || got != tc.want || g.Unjudged != (tc.want == "") {
				t.Fatalf("fault %v, assumed %q, unjudged %v", g.Fault, got, g.Unjudged)
			}
			if got := reads(g); tc.want != "" && got != tc.lines {
				t.Errorf("reads %q, want %q", got, tc.lines)
			}
			if tc.want != "" && !strings.Contains(g.Fault.Hint, "--build-arg "+g.Assumed[0]+"=...") {
				t.Errorf("hint %q", g.Fault.Hint)
			}
			for _, l := range g.Layers {
				if strings.Contains(l.Instruction, "stand-in") {
					t.Errorf("%q is not what the file says", l.Instruction)
				}
			}
		})
	}
}

// A fault that no value cures has no hint that asks for one.
func TestFaultElsewhere(t *testing.T) {
	for _, text := range []string{"ARG S\nFROM a$S\nCOPY --from=9 x /\n", "FROM a:${V:-1}\nCOPY --from=9 x /\n"} {
		g := graph(t, impact.Image{}, files{"Dockerfile": text})
		if g.Fault == nil || g.Fault.Hint != "" || g.Assumed != nil || !g.Unjudged {
			t.Errorf("%q: fault %v, hint %q, assumed %q", text, g.Fault, g.Fault.Hint, g.Assumed)
		}
	}
}

// An empty value is none; but beside one that lacks, it may be meant.
func TestStandInOfEmpty(t *testing.T) {
	im := impact.Image{Args: map[string]string{"P": "", "S": ""}}
	for text, want := range map[string]string{"ARG P\nFROM --platform=$P a\n": "P", "ARG Q S\nFROM --platform=$Q a$S\n": "Q"} {
		if g := graph(t, im, files{"Dockerfile": text}); strings.Join(g.Assumed, " ") != want {
			t.Errorf("%q: fault %v, assumed %q", text, g.Fault, g.Assumed)
		}
	}
}

// An argument that is left out of the comparison lacks a value as any other.
func TestStandInOfIgnored(t *testing.T) {
	im := impact.Image{IgnoreArgs: []string{"P"}}
	if g := graph(t, im, files{"Dockerfile": "ARG P\nFROM --platform=$P a\nCOPY x /\n"}); len(g.Assumed) != 1 || reads(g) != ". /x" {
		t.Errorf("fault %v, assumed %q, reads %q", g.Fault, g.Assumed, reads(g))
	}
}

// A value that is given, or a default, needs no stand-in.
func TestNoStandIn(t *testing.T) {
	for _, text := range []string{"ARG V=1\nFROM a:$V\n", "ARG V\nFROM a:${V:-1}\n", "FROM --platform=$BUILDPLATFORM a\n", "ARG W\nFROM a:$W\n"} {
		g := graph(t, impact.Image{Args: map[string]string{"W": "1"}}, files{"Dockerfile": text})
		if g.Fault != nil || len(g.Assumed) > 0 {
			t.Errorf("%q: fault %v, assumed %q", text, g.Fault, g.Assumed)
		}
	}
}

func TestMentions(t *testing.T) {
	const a, b, c = "docker.io/team/a:latest", "reg.example/team/b:1", "docker.io/library/c:latest"
	for _, tc := range []struct {
		name  string
		image impact.Image
		text  string
		want  string
	}{
		{"a name", impact.Image{}, "FROM team/a\nRUNN\n", a},
		{"flags", impact.Image{}, "FROM --platform=linux/arm64 c AS x\nRUNN\n", c},
		{"files", impact.Image{}, "FROM z\nCOPY --from=team/a / /\nRUN --mount=type=bind,from=c,target=/x y\nRUNN\n", a + " " + c},
		{"a default", impact.Image{}, "ARG R=team\nARG N=$R/a\nFROM $N\nRUNN\n", a},
		{"a given value", impact.Image{Args: map[string]string{"N": "c"}}, "ARG N=team/a\nFROM $N\nRUNN\n", c},
		{"a registry nobody knows", impact.Image{}, "ARG R\nFROM $R/b:1\n", b},
		{"a tag nobody knows", impact.Image{}, "ARG T\nFROM team/a:$T\n", a},
		{"a name nobody knows may be any", impact.Image{}, "ARG N\nFROM $N:latest\n", a + " " + c},
		{"nor a tag", impact.Image{}, "ARG N\nFROM $N\n", a + " " + b + " " + c},
		{"a part of a name", impact.Image{}, "ARG N\nFROM team/$N\n", a},
		{"an end of a name", impact.Image{}, "ARG N\nFROM ${N}/a\n", a},
		{"an image of the hub", impact.Image{}, "ARG N\nFROM library/$N\n", c},
		{"what nobody understands", impact.Image{}, "FROM ${N%%x}\nRUNN\n", a + " " + b + " " + c},
		{"a continued line", impact.Image{}, "FROM \\\n  team/a\nRUNN\n", a},
		{"a continued word", impact.Image{}, "FROM te\\ \r\n# words\r\n\r\nam/a\r\nCOPY --from=\\\r\nc / /\r\nRUNN\r\n", a + " " + c},
		{"another escape", impact.Image{}, "# escape=`\nFROM `\n  team/a\nRUN c:\\\nFROM c\nRUNN\n", a + " " + c},
		{"an escape too late", impact.Image{}, "# words\nARG x\n# escape=`\nFROM \\\nteam/a\nRUNN\n", a},
		{"an escape that is escaped", impact.Image{}, "FROM team/a\nRUN c:\\\\\nFROM c\nRUNN\n", a + " " + c},
		{"quotes, and a mark in front", impact.Image{}, "\xef\xbb\xbfFROM \"team/a\"\nRUNN\n", a},
		{"the second default of a line", impact.Image{}, "ARG X=1 N=team/a\nFROM $N\nRUNN\n", a},
		{"a default twice", impact.Image{}, "ARG N=c\nARG N=team/a\nFROM $N\nARG N=c\nRUNN\n", a},
		{"a default in a default", impact.Image{}, "ARG M=team/a\nFROM ${N:-${M}}\nRUNN\n", a},
		{"a named context", impact.Image{Contexts: []impact.NamedContext{{Name: "x", Ref: "c"}}}, "FROM x\nRUNN\n", c},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := graph(t, tc.image, files{"Dockerfile": tc.text})
			var got []string
			for _, ref := range []string{a, b, c} {
				if g.Mentions != nil && g.Mentions(ref) && !slices.Contains(g.Refs, ref) {
					got = append(got, ref)
				}
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("mentions %q, want %q", got, tc.want)
			}
		})
	}
}

// A parent of which nobody knows the config may say what its child reads.
func TestUnknownParent(t *testing.T) {
	resolve := func(ctx context.Context, ref, platform string) (impact.Base, error) {
		b := AssumedBase(ref, platform)
		b.Unjudged = ref == "docker.io/library/broken:latest"
		return b, nil
	}
	for text, want := range map[string]bool{"FROM broken\nCOPY x /\n": true, "FROM a\nCOPY --from=broken x /\n": false, "FROM a\nCOPY x /\n": false} {
		f := files{"Dockerfile": text}
		g, err := Convert(t.Context(), impact.Image{Name: "i", Dockerfile: "Dockerfile", Context: "."}, f.read, resolve)
		if err != nil {
			t.Fatal(err)
		}
		if everything := strings.Contains(reads(g), ". /; ") || strings.HasSuffix(reads(g), ". /"); g.Unjudged != want || everything != want {
			t.Errorf("%q: unjudged %v, reads %q", text, g.Unjudged, reads(g))
		}
	}
}
