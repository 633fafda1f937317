package session

import (
	"slices"
	"testing"
)

// Warnings are kept until they are taken, and later ones handed on.
func TestWarnings(t *testing.T) {
	var later []string
	w := &Warnings{Later: func(text string) { later = append(later, text) }}
	w.Add("a")
	if got := w.Take(); !slices.Equal(got, []string{"a"}) || len(later) > 0 {
		t.Errorf("%q, %q", got, later)
	}
	w.Add("b")
	if !slices.Equal(later, []string{"b"}) {
		t.Errorf("%q", later)
	}
}
