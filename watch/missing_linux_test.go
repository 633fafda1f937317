package watch

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestLookouts(t *testing.T) {
	exist := []string{"/", "/r", "/r/a", "/r/a/b", "/r/a/b/c", "/r/d", "/s", "/s/t"}
	for _, c := range []struct{ set, want string }{
		{"/r", "/"},
		{"/r/a", "/r"},
		{"/r /r/a/b/c", "/ /r /r/a /r/a/b"},
		{"/r/a/b /r/d", "/r /r/a"},
		{"/r/a/b /s/t", "/ /r /r/a /s"},
		{"/r/x/y", "/r /r/x"},
		{"/r/x/y /r/a/b", "/r /r/a /r/x"},
		{"/x/y/z", "/ /x /x/y"},
		{"/r/ab /r/a/b", "/r /r/a"},
		{"/", ""},
		{"", ""},
	} {
		found := lookouts(strings.Fields(c.set), func(path string) bool { return slices.Contains(exist, path) })
		if got := strings.Join(slices.Sorted(maps.Keys(found)), " "); got != c.want {
			t.Errorf("set %q: %q, want %q", c.set, got, c.want)
		}
	}
}
