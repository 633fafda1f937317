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
