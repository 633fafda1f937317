package terminal

import (
	"strings"
	"testing"
)

// Of each kind of warning the first is printed, with the number of the others, when the
// answer is there.
func TestAsides(t *testing.T) {
	warnings := []string{
		`a.Dockerfile:1: image a: nothing to substitute: the text "x" is not there`,
		"images a and b have identical inputs: they are one image under two names",
		`b/Dockerfile:27: image web: nothing to substitute: the text "whl/cu121 and more" is not there`,
		"images web and web-2 have identical inputs: they are one image under two names",
		"compose.yaml: the variable X is not set: it counts as empty",
		"images a and b have identical inputs: they are one image under two names",
		"images c and b have identical inputs: they are one image under two names",
	}
	var out, err strings.Builder
	p := New(&out, &err)
	p.WarnAll(warnings)
	p.Note("there is no history yet")
	if err.String() != "" {
		t.Fatalf("before the answer: %s", err.String())
	}
	p.Asides()
	want := `rebuild: warning: a.Dockerfile:1: image a: nothing to substitute: the text "x" is not there (and 1 more of this kind: -v prints all)
rebuild: warning: images a and b have identical inputs: they are one image under two names (and 2 more of this kind: -v prints all)
rebuild: warning: compose.yaml: the variable X is not set: it counts as empty
rebuild: note: there is no history yet
`
	if err.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", err.String(), want)
	}
	err.Reset()
	p.Asides()
	if err.String() != "" {
		t.Errorf("printed again: %s", err.String())
	}

	p = New(&out, &err)
	p.Verbose = true
	p.WarnAll(warnings)
	p.Asides()
	if got := strings.Count(err.String(), "\n"); got != len(warnings)-1 || strings.Contains(err.String(), "more of") {
		t.Errorf("with all it printed\n%s", err.String())
	}

	err.Reset()
	p = New(&out, &err)
	p.WarnText("one")
	p.AsidesAtOnce()
	p.WarnText("two")
	p.WarnText("one")
	if got := err.String(); got != "rebuild: warning: one\nrebuild: warning: two\n" {
		t.Errorf("at once it printed %q", got)
	}
}

func TestAlike(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"x.yaml is left out: it is empty", "y/z.yaml is left out: it is empty", true},
		{"x.yaml is left out: it is empty", "x.yaml is left out: it has no image", false},
		{"docker-compose.yml is passed over", "the engine does not answer", false},
		{"asr: something", "mux: something", true},
		{"asr", "mux", false},
		{"A:1", "B:1", false}, // nothing tells what they are about
	} {
		if got := alike(warning+tt.a, warning+tt.b); got != tt.want {
			t.Errorf("%q, %q: %v", tt.a, tt.b, got)
		}
	}
	if alike(warning+"a is b", "note: a is b") {
		t.Error("a note is a warning")
	}
}

// What is forgotten is neither printed nor known; what came before it stays.
func TestBufferForgets(t *testing.T) {
	var err strings.Builder
	p := New(&err, &err)
	p.WarnText("before")
	end := p.Buffer()
	p.WarnText("within")
	p.Message("said")
	end(false)
	p.Asides()
	p.WarnText("within")
	end = p.Buffer()
	p.WarnText("kept")
	p.Message("said")
	end(true)
	p.Asides()
	if got, want := err.String(), "rebuild: warning: before\nsaid\nrebuild: warning: within\nrebuild: warning: kept\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}
