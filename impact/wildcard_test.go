package impact

import "testing"

func TestSplitWildcards(t *testing.T) {
	for p, want := range map[string][2]string{
		"/":             {"/", ""},
		"/a/b":          {"/a/b", ""},
		"/a/b*/c":       {"/a", "b*/c"},
		"/*":            {"/", "*"},
		"a/[bc]":        {"a", "[bc]"},
		`/a/\*/c`:       {`/a/\*/c`, ""},
		`/a\[b/?/c*`:    {`/a\[b`, "?/c*"},
		"/a/../b/?":     {"/b", "?"},
		`/a\\*/b`:       {"/", `a\\*/b`}, // a backslash, then a wildcard
		`/ends\`:        {`/ends\`, ""},
		"/a]b/^c/{d,e}": {"/a]b/^c/{d,e}", ""},
	} {
		fixed, rest := SplitWildcards(p)
		if fixed != want[0] || rest != want[1] {
			t.Errorf("%s: %q and %q, want %q", p, fixed, rest, want)
		}
		if HasWildcard(p) != (rest != "") {
			t.Errorf("%s: has a wildcard: %v", p, HasWildcard(p))
		}
	}
}
