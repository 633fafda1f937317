package impact_test

import (
	"testing"

	"rebuild/impact"
)

// The states have layers a, b, c, each on the one before; what differs from the old
// state differs from there on.
func TestWasted(t *testing.T) {
	state := func(a, b, c impact.Digest) *impact.State {
		return &impact.State{
			Output: c, Config: "config",
			Layers: []impact.StateLayer{{Key: a, Name: "[1/3] A"}, {Key: b, Name: "[2/3] B"}, {Key: c, Name: "[3/3] C"}},
		}
	}
	old := state("a", "ab", "abc")
	otherConfig := state("a", "ab", "abc")
	otherConfig.Config = "other"
	broken := state("x", "xb", "xbc")
	broken.Err = &impact.Fault{Cause: "half typed"}
	for _, c := range []struct {
		name    string
		now     *impact.State
		running []string
		want    bool
	}{
		{"the same", state("a", "ab", "abc"), []string{"[2/3] B"}, false},
		{"the same, and nothing runs", state("a", "ab", "abc"), nil, false},
		{"behind what runs", state("a", "ab", "abx"), []string{"[2/3] B"}, false},
		{"at what runs", state("a", "ax", "axc"), []string{"[2/3] B"}, true},
		{"before what runs", state("x", "xb", "xbc"), []string{"[2/3] B"}, true},
		{"before the first step", state("a", "ab", "abx"), nil, true},
		{"while it is exported", state("a", "ab", "abx"), []string{"exporting to image"}, true},
		{"at one of two that run", state("a", "ab", "abx"), []string{"[2/3] B", "[3/3] C"}, false},
		{"at both that run", state("a", "ax", "axc"), []string{"[2/3] B", "[3/3] C"}, true},
		{"the config alone, while a layer runs", otherConfig, []string{"[3/3] C"}, false},
		{"the config alone, while it is exported", otherConfig, []string{"exporting to image"}, true},
		{"an instruction between", &impact.State{
			Output: "aNbc", Config: "config",
			Layers: []impact.StateLayer{{Key: "a", Name: "[1/4] A"}, {Key: "aN", Name: "[2/4] N"}, {Key: "aNb", Name: "[3/4] B"}, {Key: "aNbc", Name: "[4/4] C"}},
		}, []string{"[2/3] B"}, true},
		{"one more at the end: another name, the same layer", &impact.State{
			Output: "abcN", Config: "config",
			Layers: []impact.StateLayer{{Key: "a", Name: "[1/4] A"}, {Key: "ab", Name: "[2/4] B"}, {Key: "abc", Name: "[3/4] C"}, {Key: "abcN", Name: "[4/4] N"}},
		}, []string{"[2/3] B"}, false},
		{"it is gone", nil, []string{"[2/3] B"}, false},
		{"it cannot be built now", broken, []string{"[2/3] B"}, false},
	} {
		if got := impact.Wasted(old, c.now, c.running); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
