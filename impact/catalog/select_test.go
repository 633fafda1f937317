package catalog

import (
	"context"
	"strings"
	"testing"

	"rebuild/impact"
)

func TestSelect(t *testing.T) {
	cat, err := Load(context.Background(), tree{"docker-bake.hcl": `
target "base" { tags = ["team/base:1.0"] }
target "asr-cuda" { tags = ["team/asr:cuda"] }
target "asr-cpu" { tags = ["team/asr:cpu", "ubuntu"] }
target "mux" {}
group "default" { targets = ["asr-cpu", "mux"] }
group "asr" { targets = ["asr-cuda", "asr-cpu"] }
group "base" { targets = ["base", "asr"] }
`}, Options{Env: none})
	if err != nil {
		t.Fatal(err)
	}
	all := "base asr-cuda asr-cpu mux"
	for _, c := range []struct {
		args string
		all  bool
		want string
		err  string
	}{
		{args: "", want: "asr-cpu mux"},
		{args: "", all: true, want: all},
		{args: "mux", all: true, want: all},
		{args: "mux asr-cuda mux", want: "asr-cuda mux"},
		{args: "asr", want: "asr-cuda asr-cpu"},
		{args: "base", want: "base asr-cuda asr-cpu"}, // the group, as in bake
		{args: "default", want: "asr-cpu mux"},
		{args: "team/base:1.0", want: "base"},
		{args: "docker.io/team/base:1.0", want: "base"},
		{args: "ubuntu:latest", want: "asr-cpu"},
		{args: "asr-*", want: "asr-cuda asr-cpu"},
		{args: "*:cuda", want: "asr-cuda"},
		{args: "team/*", want: "base asr-cuda asr-cpu"},
		{args: "*", want: all},
		{args: "asr-cda", err: `unknown image "asr-cda": did you mean "asr-cuda"?`},
		{args: "team/asr:gpu", err: `unknown image "team/asr:gpu": did you mean "team/asr:cpu"?`},
		{args: "somethingelse", err: `unknown image "somethingelse"`},
		{args: "x*", err: `no image matches "x*"`},
		{args: "[", err: `malformed pattern "["`},
		{args: "nope", all: true, err: `unknown image "nope"`},
	} {
		got, err := Select(cat, strings.Fields(c.args), c.all)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%q: error %v, want %s", c.args, err, c.err)
			}
			continue
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%q: %v %v, want %s", c.args, got, err, c.want)
		}
	}
	if got, err := Select(impact.Catalog{}, nil, false); err != nil || len(got) != 0 {
		t.Errorf("an empty catalog: %v %v", got, err)
	}
}

func TestMatching(t *testing.T) {
	names := []string{"a", "base", "base-cuda", "x-cuda"}
	for patterns, want := range map[string]string{
		"*":                       "a base base-cuda x-cuda",
		"*-cuda !base*":           "x-cuda",
		"!base* *-cuda":           "base-cuda x-cuda",
		"* !*cuda x-cuda":         "a base x-cuda",
		"[ab]":                    "a",
		"":                        "",
		"!a":                      "",
		"base base-cuda !missing": "base base-cuda",
	} {
		if got := strings.Join(matching(strings.Fields(patterns), names), " "); got != want {
			t.Errorf("%q: %q, want %q", patterns, got, want)
		}
	}
}

func TestReplaceWord(t *testing.T) {
	for _, c := range []struct{ s, word, with, want string }{
		{"asr-cuda", "cuda", "cpu", "asr-cpu"},
		{"cuda-cuda", "cuda", "cpu", "cpu-cpu"},
		{"team/cuda_x.cuda:cuda", "cuda", "cpu", "team/cpu_x.cpu:cpu"},
		{"cudnn-cuda12-xcuda", "cuda", "cpu", "cudnn-cuda12-xcuda"},
		{"app-cuda-12-x", "cuda-12", "cpu", "app-cpu-x"},
		{"a-cuda", "cuda", "", "a-"},
		{"", "cuda", "cpu", ""},
		{"über-cuda", "cuda", "é", "über-é"},
	} {
		if got := replaceWord(c.s, c.word, c.with); got != c.want {
			t.Errorf("%q: %q, want %q", c.s, got, c.want)
		}
	}
}
