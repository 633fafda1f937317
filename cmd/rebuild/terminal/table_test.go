package terminal

import (
	"slices"
	"testing"
)

func TestTableLines(t *testing.T) {
	rows := [][]string{{"name", "x"}, {"日本", "a longer cell"}, {"n"}, {"", ""}}
	got := TableLines("  ", rows, 0)
	if want := []string{"  name  x", "  日本  a longer cell", "  n", ""}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	got = TableLines("  ", rows, 10)
	if want := []string{"  name  x", "  日本  a…", "  n", ""}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// In a terminal the last cell goes on below itself, and nothing is lost.
func TestRowWithin(t *testing.T) {
	r := lay("", [][]string{{"app", "abcdefghijklmnopqrstuvwxyz"}})[0]
	if got, want := r.within(25), "app  abcdefghijklmnopqrst\n     uvwxyz"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := r.within(20), "app  abcdefghijklmnopqrstuvwxyz"; got != want { // too narrow to be read
		t.Errorf("%q, want %q", got, want)
	}
}
