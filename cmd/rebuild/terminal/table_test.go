package terminal

import (
	"slices"
	"strings"
	"testing"

	"rebuild/cmd/rebuild/terminal/screentest"
)

func TestTableLines(t *testing.T) {
	rows := [][]string{{"name", "x"}, {"日本", "a longer cell"}, {"n"}, {"", ""}}
	got := (&Printer{}).TableLines("  ", rows, 0)
	if want := []string{"  name  x", "  日本  a longer cell", "  n", ""}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	got = (&Printer{}).TableLines("  ", rows, 10)
	if want := []string{"  name  x", "  日本  a…", "  n", ""}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// In a terminal the last cell goes on below itself, and nothing is lost.
func TestRowWithin(t *testing.T) {
	r := lay("", [][]string{{"app", "abcdefghijklmnopqrstuvwxyz"}}, 0)[0]
	if got, want := r.within(25), "app  abcdefghijklmnopqrst\n     uvwxyz"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := r.within(20), "app\n  abcdefghijklmnopqr\n  stuvwxyz"; got != want { // too narrow for columns
		t.Errorf("%q, want %q", got, want)
	}
}

// Columns that say least go first, and a table that is too wide all the same is made
// narrower.
func TestColumns(t *testing.T) {
	rows := [][]string{{"IMAGE", "TARGET", "TAGS", "FROM"}, {"asr-cuda", "-", "registry.example/team/asr:cuda", "compose.yaml"}}
	for width, want := range map[int]string{
		80: "IMAGE     TARGET  TAGS                            FROM\nasr-cuda  -       registry.example/team/asr:cuda  compose.yaml\n",
		60: "IMAGE     TARGET  TAGS                          FROM\nasr-cuda  -       registry.…mple/team/asr:cuda  compose.yaml\n",
		40: "IMAGE     TAGS              FROM\nasr-cuda  regis…m/asr:cuda  compose.yaml\n",
		32: "IMAGE     TAGS\nasr-cuda  registry.example/team/\n          asr:cuda\n",
	} {
		s := screentest.New(t, width, 10)
		New(s, s).Columns(rows, "TARGET", "NONE", "FROM")
		if got := s.Text(); got != want {
			t.Errorf("within %d:\n%s\nwant\n%s", width, got, want)
		}
	}
	var out strings.Builder
	New(&out, &out).Columns(rows, "TARGET", "FROM")
	if want := "IMAGE     TARGET  TAGS                            FROM\nasr-cuda  -       registry.example/team/asr:cuda  compose.yaml\n"; out.String() != want {
		t.Errorf("piped:\n%s\nwant\n%s", out.String(), want)
	}
}

func TestTableIsNarrowed(t *testing.T) {
	s := screentest.New(t, 40, 10)
	New(s, s).Table("  ", [][]string{{"a-name-that-is-far-too-long", "queued", "waits for something else"}, {"b", "built", "x"}})
	if got, want := s.Text(), "  a-n…too-long  queued  waits for\n                        something else\n  b             built   x\n"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
