package main

import (
	"encoding/json"
	"strings"
	"testing"

	"rebuild/impact"
)

func TestDetailOf(t *testing.T) {
	one, two := "1", "2"
	for _, tt := range []struct {
		reason impact.Reason
		want   string
	}{
		{impact.Reason{Kind: impact.ReasonFile, Path: "a"}, ""},
		{impact.Reason{Kind: impact.ReasonDockerfile, Path: "Dockerfile"}, ""},
		{impact.Reason{Kind: impact.ReasonDockerfile, Path: "Dockerfile", Fault: &impact.Fault{Cause: "no such Dockerfile"}}, "no such Dockerfile"},
		{impact.Reason{Kind: impact.ReasonArg, Arg: "V", Old: &one, New: &two}, `changed: "1" -> "2"`},
		{impact.Reason{Kind: impact.ReasonArg, Arg: "V", Change: impact.Added, New: &two}, `is new: "2"`},
		{impact.Reason{Kind: impact.ReasonArg, Arg: "V", Change: impact.Removed, Old: &one}, `is gone: it was "1"`},
		{impact.Reason{Kind: impact.ReasonArg, Arg: "V", Change: impact.Modified}, "changed"},
		{impact.Reason{Kind: impact.ReasonConfig}, ""},
		{impact.Reason{Kind: impact.ReasonConfig, Field: impact.FieldTag, New: &two}, "tag 2"},
		{impact.Reason{Kind: impact.ReasonConfig, Field: impact.FieldDockerfile, Old: &one, New: &two}, `Dockerfile "2", was "1"`},
		{impact.Reason{Kind: impact.ReasonConfig, Field: impact.FieldContext, Old: &one, New: &two}, `context "2", was "1"`},
		{impact.Reason{Kind: impact.ReasonConfig, Field: impact.FieldTarget, Old: &one, New: &two}, `target "2", was "1"`},
		{impact.Reason{Kind: impact.ReasonMissing, Missing: impact.TagAbsent, Ref: "a:1"}, "its tag a:1 is not in the engine"},
		{impact.Reason{Kind: impact.ReasonMissing, Missing: impact.ImageGone}, "its image is gone from the engine"},
		{impact.Reason{Kind: impact.ReasonMissing, Missing: impact.TagGone, Ref: "a:1"}, "its tag a:1 is gone from the engine"},
		{impact.Reason{Kind: impact.ReasonMissing, Missing: impact.TagMoved, Ref: "a:1"}, "its tag a:1 points to another image"},
		{impact.Reason{Kind: impact.ReasonMissing, Missing: impact.OtherFiles}, "it was last built from other files"},
	} {
		if got := detailOf(tt.reason); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.reason, got, tt.want)
		}
	}
}

// TestPlanJSON: the reasons of a plan are printed as data and in words, and all else
// as the plan has it.
func TestPlanJSON(t *testing.T) {
	tag := "a:2"
	p := &impact.Plan{Version: 1, Images: []impact.ImagePlan{
		{Name: "a", Action: impact.Rebuild, Reasons: []impact.Reason{{Kind: impact.ReasonConfig, Field: impact.FieldTag, New: &tag}}},
		{Name: "b", Action: impact.Keep, Reasons: []impact.Reason{}},
	}}
	data, err := json.Marshal(jsonOf(p))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"version":1`, `"name":"a"`, `"reasons":[]`, `"reasons":[{"kind":"config","field":"tag","new":"a:2","detail":"tag a:2"}]`} {
		if strings.Count(string(data), want) != 1 {
			t.Errorf("%s is not there once: %s", want, data)
		}
	}
	var back impact.Plan
	if err := json.Unmarshal(data, &back); err != nil || len(back.Images) != 2 || len(back.Images[0].Reasons) != 1 {
		t.Errorf("it is read back as %+v, %v", back, err)
	}
}
