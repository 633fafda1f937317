package audit

import (
	"context"
	"io/fs"
	"maps"
	"slices"
	"testing"

	"rebuild/docker/record"
	"rebuild/impact"
)

// of gives an outcome the plan that its build belongs to.
func of(p *impact.Plan, o Outcome) Outcome {
	o.Build.Plan = p
	return o
}

// A run may have several plans, one after another: each build is held against its own,
// which knows what the builds before it left.
func TestCompareSeveralPlans(t *testing.T) {
	first, second := &impact.Plan{}, &impact.Plan{}
	sup := sample{name: "app", states: []impact.LayerState{inv}, keys: []impact.Digest{"a"}, ran: []int{0}}.outcome()
	sup.End, sup.Made = Unfinished, nil
	outcomes := []Outcome{
		of(first, sample{name: "base", states: []impact.LayerState{inv}, keys: []impact.Digest{"x"}, ran: []int{0}}.outcome()),
		of(first, sup), // superseded when its first step had run
		{Image: "kept", End: Kept},
		of(second, sample{name: "app", states: []impact.LayerState{inv, inv}, keys: []impact.Digest{"a", "b"}, ran: []int{1}}.outcome()),
		of(second, sample{name: "base", states: []impact.LayerState{inv}, keys: []impact.Digest{"x"}}.outcome()),
	}
	a := Compare(Input{Outcomes: outcomes, Before: has("os")})
	checkTally(t, a)
	if a.Images.Built != 3 || a.Layers.Invalidated != 4 || a.Layers.Right != 2 || !maps.Equal(a.Layers.NotComparable, map[Why]int{SeenBefore: 2}) {
		t.Errorf("%+v %+v", a.Images, a.Layers)
	}
	if !slices.Equal(a.Keys, []string{"a", "b", "x"}) {
		t.Errorf("keys %q", a.Keys)
	}
	if Compare(Input{Outcomes: []Outcome{{Image: "kept", End: Kept}}}) != nil || Compare(Input{}) != nil {
		t.Error("an audit without a build")
	}
}

// What the engine may have is known from the records of this clone and of others, and
// from the log.
func TestCompareKnows(t *testing.T) {
	found := func() []Outcome {
		o := sample{name: "app", states: []impact.LayerState{inv, inv}, keys: []impact.Digest{"a", "b"}, ran: []int{1}}.outcome()
		return []Outcome{o}
	}
	log := openLog(t)
	if err := log.Append(&Audit{Version: version, Keys: []string{shortKey("sha256:0123456789abcdef0000")}}); err != nil {
		t.Fatal(err)
	}
	logged := found()
	logged[0].Build.State.Layers[2].Key = "sha256:0123456789abcdef0000"
	tests := map[string]struct {
		in   Input
		wide int
	}{
		"nothing":       {Input{Outcomes: found()}, 1},
		"the record":    {Input{Outcomes: found(), Before: has("a")}, 0},
		"another clone": {Input{Outcomes: found(), Vouching: has("a")}, 0},
		"a lost image":  {Input{Outcomes: found(), Vouching: map[string]*record.Record{"x": {State: has("a")["before"].State}}}, 1},
		"a killed run":  {Input{Outcomes: found(), Killed: map[string]bool{"app": true}}, 0},
		"the log":       {Input{Outcomes: logged, Log: log}, 0},
		"another log":   {Input{Outcomes: found(), Log: log}, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := Compare(tt.in)
			checkTally(t, a)
			if a.Layers.Wide != tt.wide {
				t.Errorf("%+v", a.Layers)
			}
		})
	}
}

// The evidence for an unsound layer says when the engine had it, and what it stands on.
func TestMissIsVouchedFor(t *testing.T) {
	o := sample{name: "app", states: []impact.LayerState{cac, cac}, keys: []impact.Digest{"a", "b"}, ran: []int{1}, edit: func(o *Outcome) {
		o.Build.Pull, o.Build.BaseIDs = true, map[string]string{"os": "1"}
	}}.outcome()
	a := Compare(Input{Outcomes: []Outcome{o}, Before: has("a", "b")})
	if len(a.Misses) != 1 {
		t.Fatalf("%+v", a.Misses)
	}
	m := a.Misses[0]
	if m.Layer != 3 || m.Step != "RUN b" || m.Key != "b" || m.Cause.Kind != CauseUnknown {
		t.Errorf("%+v", m)
	}
	if k := m.known; !k.since.Equal(auditDay) || !k.sameStep || !k.pulled || k.baseIDs["os"] != "1" || len(k.bases) != 1 {
		t.Errorf("%+v", k)
	}
	// The image's own record speaks before those of others, also newer ones.
	own := has("b")["before"]
	own.Image, own.Built = "app", auditDay.AddDate(0, 0, -1)
	a = Compare(Input{Outcomes: []Outcome{o}, Before: map[string]*record.Record{"app": own, "other": has("a", "b")["before"]}})
	if len(a.Misses) != 1 || !a.Misses[0].known.since.Equal(own.Built) {
		t.Errorf("%+v", a.Misses)
	}
}

// linkedTree is a build context whose folder data is a symlink to real.
type linkedTree struct{}

func (linkedTree) ReadFile(context.Context, string) ([]byte, error) { return nil, fs.ErrNotExist }

func (linkedTree) Read(context.Context, impact.Selection) (*impact.Reading, error) {
	return &impact.Reading{Digest: "read", Files: []impact.File{
		{Path: "ctx/data", Mode: uint32(fs.ModeSymlink | 0o777), Digest: "text"}, {Path: "ctx/real/a.txt", Mode: 0o644, Digest: "a"},
	}}, nil
}

// scanned is the state of an image with a layer for each selection, each on the one
// before.
func scanned(t *testing.T, selections ...impact.Selection) *impact.State {
	t.Helper()
	g := &impact.Graph{Output: len(selections) - 1}
	for i, sel := range selections {
		l := impact.Layer{Op: impact.DigestOf("op", sel.Path), Reads: []impact.Selection{sel}, Name: "COPY " + sel.Path, Stage: "stage-0", Line: 1 + i}
		if i > 0 {
			l.Inputs = []int{i - 1}
		}
		g.Layers = append(g.Layers, l)
	}
	s := impact.Scanner{Convert: func(context.Context, impact.Image, impact.ReadFile, impact.Resolve) (*impact.Graph, error) {
		return g, nil
	}}
	snapshot, err := s.Scan(t.Context(), impact.Catalog{Images: []impact.Image{{Name: "app"}}}, linkedTree{})
	if err != nil {
		t.Fatal(err)
	}
	return snapshot.States["app"]
}

// Old engines find nothing for wildcards behind a symlink, so that what changes there
// rebuilds nothing; neither does what stands on it.
func TestWildcardsBehindLink(t *testing.T) {
	sel := func(path string, wildcard bool) impact.Selection {
		return impact.Selection{Context: "ctx", Path: path, Wildcard: wildcard}
	}
	tests := map[string]struct {
		selections []impact.Selection
		behind     []bool
	}{
		"behind":              {[]impact.Selection{sel("/data/*.txt", true)}, []bool{true}},
		"below":               {[]impact.Selection{sel("/data/sub/x*", true)}, []bool{true}},
		"on one behind":       {[]impact.Selection{sel("/data/*.txt", true), sel("/real/a.txt", false)}, []bool{true, true}},
		"another folder":      {[]impact.Selection{sel("/real/*.txt", true)}, []bool{false}},
		"the name's begin":    {[]impact.Selection{sel("/dat*", true)}, []bool{false}},
		"no wildcard":         {[]impact.Selection{sel("/data/a.txt", false)}, []bool{false}},
		"no wildcard in fact": {[]impact.Selection{sel("/data/a.txt", true)}, []bool{false}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := &Build{State: scanned(t, tt.selections...)}
			for i, f := range (&comparison{}).below(b) {
				if f.behind != tt.behind[i] {
					t.Errorf("layer %d: %v", i, f.behind)
				}
			}
		})
	}
	st := scanned(t, sel("/data/*.txt", true))
	o := Outcome{Image: "app", End: Built, Made: &record.Record{}, Build: &Build{
		State: st, Old: has("os")["before"],
		Predicted: &impact.ImagePlan{Layers: []impact.LayerPlan{{Index: 1, Name: st.Layers[0].Name, Step: true, State: inv}}},
	}}
	for _, copiesLink := range []bool{true, false} { // old engines, and current ones
		a := Compare(Input{Outcomes: []Outcome{o}, CopiesLink: copiesLink})
		checkTally(t, a)
		if a.Layers.NotComparable[WildcardsInLink] != 1 {
			t.Errorf("%+v", a.Layers)
		}
	}
}
