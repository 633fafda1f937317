package impact

import (
	"context"
	"fmt"
	"testing"
)

// TestRememberIsBounded: of an image that is edited again and again only the newest
// conversions are kept.
func TestRememberIsBounded(t *testing.T) {
	converted := 0
	m := &memo{conversions: map[string][]*conversion{}, convert: func(context.Context, Image, ReadFile, Resolve) (*Graph, error) {
		converted++
		return &Graph{}, nil
	}}
	edit := func(i int) {
		if _, err := m.get(t.Context(), Image{Name: "a", Target: fmt.Sprint(i)}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 * mostConversions {
		edit(i)
		edit(i)
	}
	if converted != 3*mostConversions {
		t.Errorf("%d conversions of %d states", converted, 3*mostConversions)
	}
	if kept := len(m.conversions["a"]); kept != mostConversions {
		t.Errorf("%d are kept, want %d", kept, mostConversions)
	}
}

// TestImageText: bytes that are no UTF-8 are told apart.
func TestImageText(t *testing.T) {
	seen := map[string]string{}
	for _, dir := range []string{"caf\xe9", "caf\xea", "caf\ufffd", "caf", `caf\ufffd`} {
		text := imageText(Image{Name: "a", Dockerfile: dir})
		if other, ok := seen[text]; ok {
			t.Errorf("%q and %q are one", dir, other)
		}
		seen[text] = dir
	}
}
