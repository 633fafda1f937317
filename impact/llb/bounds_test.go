package llb

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"rebuild/impact"
)

// lines are n lines, each with its number.
func lines(n int, format string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(format, "#", fmt.Sprint(i)) + "\n")
	}
	return b.String()
}

func TestBounds(t *testing.T) {
	const doubled = "its variables come to more than 32 MiB of text"
	for _, c := range []struct {
		name, text, fault string
	}{
		{"env", "FROM scratch\nENV A=aaaaaaaaaaaaaaaa\n" + lines(40, "ENV A=$A$A"), ":23: " + doubled},
		{"env of a base", "FROM base\n" + lines(40, "ENV A=$A$A"), doubled},
		{"env by default", "FROM base\nENV A=aaaaaaaaaaaaaaaa\n" + lines(40, "ENV A=${NONE:-$A$A}"), doubled},
		{"arg", "ARG A=aaaaaaaaaaaaaaaa\n" + lines(40, "ARG A=$A$A") + "FROM scratch\n", ":22: " + doubled},
		{"stages", "FROM scratch AS s\nENV A=aaaaaaaaaaaaaaaa\n" + lines(40, "FROM s AS S\nENV A=$A$A"), doubled},
		{"replacement", "FROM scratch\nENV A=aaaaaaaa\n" + lines(40, "ENV A=${A//a/aaaaaaaaaaaaaaaa}"), doubled},
		{"document", "FROM scratch\nENV A=aaaaaaaaaaaaaaaa\n" + lines(16, "ENV A=$A$A") + "COPY <<E /f\n" + lines(100, "$A") + "E\n", ":19: " + doubled},
		{"environment of steps", "FROM scratch\nENV A=aaaaaaaaaaaaaaaa\n" + lines(16, "ENV A=$A$A") + lines(100, "RUN a"), doubled},
		{"onbuild", "FROM doubles\n", doubled},
		{"many onbuild", lines(3, "FROM triggers AS s#"), "more than 8000 instructions, with those of ONBUILD"},
		{"long value of a base", "FROM long\nENV B=" + strings.Repeat("$A", 100) + "\nENV C=" + strings.Repeat("$B", 10) + "\n", ":3: " + doubled},

		{"instructions", "FROM scratch\n" + lines(8000, "LABEL l#=x"), ":8001: more than 8000 instructions"},
		{"stages of stages", "FROM scratch AS s\n" + lines(1000, "RUN a") + lines(2500, "FROM s AS s"), "inherit more than 2000000 instructions"},
		{"mounts", "FROM scratch\n" + lines(101, "RUN "+strings.Repeat("--mount=type=cache,target=/x ", 200)+"a"), "more than 20000 flags"},
		{"text", "FROM scratch\n" + lines(100, "#"+strings.Repeat("x", 50_000)), "larger than 4 MiB"},

		{"many stages", "FROM scratch AS s\n" + lines(628, "FROM s AS s\nENV PATH=/opt/#:$PATH\nRUN --mount=type=cache,target=/x --mount=type=cache,target=/y a"), ""},
		{"prepended", "FROM base\n" + lines(200, "ENV LD_LIBRARY_PATH=/opt/#/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"), ""},
		{"platform", "FROM base\nARG TARGETPLATFORM\n" + lines(200, "RUN echo ${TARGETPLATFORM//\\//-} $PATH $HOME/"+strings.Repeat("x", 2000)), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			resolve := func(ctx context.Context, ref, platform string) (impact.Base, error) {
				config := ""
				switch ref {
				case "docker.io/library/doubles:latest":
					config = `{"config": {"OnBuild": ["ENV A=aaaaaaaaaaaaaaaa"` + strings.Repeat(`, "ENV A=$A$A"`, 40) + `]}}`
				case "docker.io/library/triggers:latest":
					config = `{"config": {"OnBuild": ["USER a"` + strings.Repeat(`, "USER a"`, 3000) + `]}}`
				case "docker.io/library/long:latest":
					config = `{"config": {"Env": ["A=` + strings.Repeat("x", 40_000) + `"]}}`
				default:
					return assumed(ctx, ref, platform)
				}
				return impact.Base{Key: "k", Config: BaseConfig([]byte(config), "k")}, nil
			}
			f := files{"Dockerfile": c.text}
			g, err := Convert(t.Context(), impact.Image{Name: "a", Dockerfile: "Dockerfile", Context: "."}, f.read, resolve)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if g.Fault != nil {
				got = strings.Replace(g.Fault.Error(), "Dockerfile is given up: ", "", 1)
			}
			if c.fault == "" && got != "" || !strings.Contains(got, c.fault) {
				t.Errorf("got %q, want %q", got, c.fault)
			}
		})
	}
}

func TestBoundsOfIgnoreFiles(t *testing.T) {
	for text, fault := range map[string]string{
		lines(5000, "p#"): "",
		lines(5001, "p#"): ".dockerignore:5001: ignore file is given up: more than 5000 patterns",
		lines(10, "p#") + strings.Repeat("**/", 2001): ".dockerignore:11: ignore file is given up: more than 2000 ** in its patterns",
	} {
		f := files{"Dockerfile": "FROM scratch\nCOPY . /\n", ".dockerignore": text}
		g, err := Convert(t.Context(), impact.Image{Name: "a", Dockerfile: "Dockerfile", Context: "."}, f.read, assumed)
		switch {
		case err != nil:
			t.Fatal(err)
		case fault == "" && g.Fault != nil, fault != "" && (g.Fault == nil || g.Fault.Error() != fault):
			t.Errorf("got %v, want %q", g.Fault, fault)
		}
	}
}

func TestSubstituteIsBounded(t *testing.T) {
	im := impact.Image{Name: "a", Dockerfile: "Dockerfile", Context: "."}
	for i := range 40 {
		im.Substitute = append(im.Substitute, impact.Substitution{Old: fmt.Sprintf("<%d>", i), New: strings.Repeat(fmt.Sprintf("<%d>", i+1), 2)})
	}
	_, err := readDockerfile(t.Context(), im, func(context.Context, string) ([]byte, error) { return []byte("FROM scratch\n# <0>\n"), nil })
	if err == nil || err.Error() != "Dockerfile: image a: substitute makes it larger than 4 MiB" {
		t.Error(err)
	}
}
