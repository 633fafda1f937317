package audit

import (
	"encoding/json"
	"testing"
	"time"
)

// Runs are counted together; each miss knows its run.
func TestSumOf(t *testing.T) {
	first := Audit{
		Ended: auditDay, Engine: "1", Keys: []string{"a"},
		Images: ImageTally{Built: 2, Right: 1, NotComparable: map[Why]int{SeenBefore: 1}},
		Layers: LayerTally{Cached: 3, Right: 2, Unsound: 1},
		Misses: []Miss{{Kind: Unsound, Image: "app", Cause: Cause{Kind: CauseCachePruned}}},
	}
	second := Audit{
		Ended: auditDay.Add(time.Hour), Engine: "2",
		Images: ImageTally{Built: 1, NotComparable: map[Why]int{SeenBefore: 1, FilesEdited: 1}},
		Layers: LayerTally{Invalidated: 1, Wide: 1},
		Misses: []Miss{{Kind: Wide, Image: "top", Cause: Cause{Kind: CauseUnknown}}},
	}
	sum := SumOf([]Audit{first, second})
	if sum.Runs != 2 || !sum.Since.Equal(auditDay) || sum.ByPrunedCache() != 1 {
		t.Errorf("%+v", sum)
	}
	if im := sum.Images; im.Built != 3 || im.Right != 1 || im.NotComparable[SeenBefore] != 2 || im.NotComparable[FilesEdited] != 1 {
		t.Errorf("images %+v", im)
	}
	if l := sum.Layers; l.Cached != 3 || l.Invalidated != 1 || l.Right != 2 || l.Unsound != 1 || l.Wide != 1 {
		t.Errorf("layers %+v", l)
	}
	if m := sum.Misses; len(m) != 2 || m[0].Engine != "1" || m[0].Image != "app" || m[1].Engine != "2" || !m[1].Date.Equal(second.Ended) {
		t.Errorf("misses %+v", m)
	}
}

// Nothing is a sum, too, with empty lists.
func TestSumOfNothing(t *testing.T) {
	got, err := json.Marshal(SumOf(nil))
	want := `{"runs":0,"since":null,"images":{"built":0,"right":0,"rebuilt_for_nothing":0,"not_comparable":{},"not_compared":{}},` +
		`"layers":{"predicted_cached":0,"predicted_invalidated":0,"right":0,"unsound":0,"wide":0,"not_comparable":{}},"misses":[]}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}
