package session

import (
	"maps"
	"testing"

	"rebuild/docker/record"
)

func TestWithIsolated(t *testing.T) {
	records := map[string]*record.Record{
		"both": {Steps: map[string]float64{"a": 1}, Overhead: 1},
		"own":  {Steps: map[string]float64{"a": 1}},
		"bare": {Steps: map[string]float64{"a": 1}},
	}
	isolated := map[string]*record.Record{
		"both": {Steps: map[string]float64{"a": 9, "b": 2}, Overhead: 9},
		"bare": {Overhead: 3}, // no step of it ran, so it has no map
		"new":  {Steps: map[string]float64{"c": 3}},
	}
	all := withIsolated(records, isolated)
	for name, want := range map[string]map[string]float64{
		"both": {"a": 1, "b": 2}, "own": {"a": 1}, "bare": {"a": 1}, "new": {"c": 3},
	} {
		if all[name] == nil || !maps.Equal(all[name].Steps, want) {
			t.Errorf("%s: %+v, want steps %v", name, all[name], want)
		}
	}
	if all["both"].Overhead != 1 || all["bare"].Overhead != 3 || len(records["both"].Steps) != 1 {
		t.Errorf("overheads %v and %v; its own steps %v", all["both"].Overhead, all["bare"].Overhead, records["both"].Steps)
	}
	if len(withIsolated(nil, isolated)) != len(isolated) {
		t.Error("without records those of what was built isolated count")
	}
}
