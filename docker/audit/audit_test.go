package audit

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"rebuild/docker/record"
	"rebuild/impact"
)

// sample is one image of a made-up run: two stages' worth of steps on a base.
type sample struct {
	name    string
	states  []impact.LayerState // of the layers in the plan, for each of keys
	keys    []impact.Digest     // of COPY, RUN, ...
	ran     []int               // which of them BuildKit executed
	reasons []impact.ReasonKind
	edit    func(*Outcome)
}

var auditDay = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// outcome makes a build of it. The first layer of its state is the base, which is
// no step, the second the context, which no plan lists.
func (a sample) outcome() Outcome {
	st := &impact.State{Name: a.name, Bases: []impact.ExternalRef{{Ref: "os", Known: true}}, Layers: []impact.StateLayer{
		{Key: "os", OwnKey: "os", Op: "image", From: "os", Name: "FROM os", Line: 1, Stage: "stage-0"},
		{Key: "context", OwnKey: "context", Op: "local", Name: "context"},
	}}
	ip := &impact.ImagePlan{Name: a.name, Action: impact.Rebuild, Layers: []impact.LayerPlan{{Index: 1, Name: "FROM os", State: impact.Cached}}}
	for _, kind := range a.reasons {
		ip.Reasons = append(ip.Reasons, impact.Reason{Kind: kind})
	}
	made := &record.Record{Image: a.name, ImageID: "new", Chain: []string{"new"}, Config: "c"}
	b := &Build{State: st, Predicted: ip, Parents: map[string]impact.Digest{}}
	for i, key := range a.keys {
		name := "RUN " + string(key)
		st.Layers = append(st.Layers, impact.StateLayer{
			Key: key, OwnKey: key, Op: key, Inputs: []int{0}, Stage: "stage-0", File: "Dockerfile", Line: 2 + i, Instruction: name, Name: name,
		})
		ip.Layers = append(ip.Layers, impact.LayerPlan{
			Index: 2 + i, Name: name, State: a.states[i], Step: true, Dockerfile: "Dockerfile", Line: 2 + i, Instruction: name,
		})
		if slices.Contains(a.ran, i) {
			b.Ran = append(b.Ran, Step{Name: name})
		}
	}
	b.Old = &record.Record{Image: a.name, ImageID: "old", Chain: []string{"old"}, Config: "c", State: &impact.State{}, Built: auditDay}
	o := Outcome{Image: a.name, End: Built, Build: b, Made: made}
	if a.edit != nil {
		a.edit(&o)
	}
	return o
}

// has is a record that says the engine has some layers.
func has(keys ...impact.Digest) map[string]*record.Record {
	st := &impact.State{}
	for _, k := range keys {
		st.Layers = append(st.Layers, impact.StateLayer{Key: k, OwnKey: k, Instruction: "RUN " + string(k)})
	}
	return map[string]*record.Record{"before": {Image: "before", ImageID: "i", State: st, Built: auditDay}}
}

const inv, cac = impact.Invalidated, impact.Cached

func TestAudit(t *testing.T) {
	keys := []impact.Digest{"a", "b"}
	layer := func(i int, change func(*impact.StateLayer)) func(*Outcome) {
		return func(o *Outcome) { change(&o.Build.State.Layers[2+i]) }
	}
	tests := map[string]struct {
		image      sample
		before     map[string]*record.Record
		seen       []impact.Digest
		copiesLink bool
		killed     string
		also       []Outcome
		misses     []MissKind
		layers     map[Why]int
		images     map[Why]int
	}{
		"right": {image: sample{states: []impact.LayerState{cac, inv}, keys: keys, ran: []int{1}}, before: has("a")},
		"nothing ran, as predicted: config alone": {image: sample{states: []impact.LayerState{cac, cac}, keys: keys}, before: has("a", "b")},
		"unsound": {image: sample{states: []impact.LayerState{cac, cac}, keys: keys, ran: []int{1}}, before: has("a", "b"), misses: []MissKind{Unsound}},
		"another image ran it": {image: sample{states: []impact.LayerState{cac, inv}, keys: keys}, before: has("a"), also: []Outcome{
			sample{name: "twin", states: []impact.LayerState{inv}, keys: keys[1:], ran: []int{0}}.outcome()}},
		"wide": {image: sample{states: []impact.LayerState{cac, inv}, keys: keys, edit: func(o *Outcome) {
			o.Made.Chain = []string{"old"}
			o.Build.Predicted.Reasons = []impact.Reason{{Kind: impact.ReasonMissing}}
		}},
			before: has("a"), misses: []MissKind{Wide}},
		"found though nothing ran, in an image unlike the record": {image: sample{states: []impact.LayerState{cac, inv}, keys: keys}, before: has("a"), layers: map[Why]int{SeenBefore: 1}},
		"seen before":                   {image: sample{states: []impact.LayerState{inv, inv}, keys: keys, ran: []int{1}}, seen: keys[:1], layers: map[Why]int{SeenBefore: 1}},
		"of a record, against a commit": {image: sample{states: []impact.LayerState{inv, inv}, keys: keys, ran: []int{1}}, before: has("a"), layers: map[Why]int{SeenBefore: 1}},
		"never built here":              {image: sample{states: []impact.LayerState{cac, cac}, keys: keys, ran: []int{0}}, before: has("b"), layers: map[Why]int{NotBuiltHere: 1}},
		"no record":                     {image: sample{states: []impact.LayerState{inv, inv}, keys: keys, ran: []int{1}, edit: func(o *Outcome) { o.Build.Old = nil }}, layers: map[Why]int{SeenBefore: 1}},
		"a killed run":                  {image: sample{states: []impact.LayerState{inv, inv}, keys: keys, ran: []int{1}}, killed: "app", layers: map[Why]int{SeenBefore: 1}},
		"floor on record": {image: sample{states: []impact.LayerState{inv, inv}, keys: keys, ran: []int{1}, edit: layer(0, func(l *impact.StateLayer) { l.OwnKey = "f" })},
			before: has("f"), layers: map[Why]int{ComparedByContent: 1}},
		"floor seen": {image: sample{states: []impact.LayerState{inv, inv}, keys: keys, ran: []int{1}, edit: layer(0, func(l *impact.StateLayer) { l.OwnKey = "f" })},
			seen: []impact.Digest{"f"}, layers: map[Why]int{ComparedByContent: 1}},
		"inline document": {image: sample{states: []impact.LayerState{cac, cac}, keys: keys, ran: []int{0}, edit: layer(0, func(l *impact.StateLayer) { l.Line, l.Stage, l.Inline = 0, "", true })},
			before: has("a", "b"), layers: map[Why]int{InlineDocument: 1}},
		"made of nothing": {image: sample{states: []impact.LayerState{cac, cac}, keys: keys, ran: []int{0}, edit: layer(0, func(l *impact.StateLayer) { l.Inputs = nil })},
			before: has("a", "b"), layers: map[Why]int{TakesNothing: 1}},
		"link, copied": {image: sample{states: []impact.LayerState{cac, inv}, keys: keys, ran: []int{0, 1}, edit: layer(0, func(l *impact.StateLayer) { l.Link = true })},
			before: has("a"), copiesLink: true, layers: map[Why]int{LinkCopied: 1}},
		"link, merged": {image: sample{states: []impact.LayerState{cac, inv}, keys: keys, ran: []int{0, 1}, edit: layer(0, func(l *impact.StateLayer) { l.Link = true })},
			before: has("a"), misses: []MissKind{Unsound}},
		"on one that always runs": {image: sample{states: []impact.LayerState{cac, cac}, keys: keys, ran: []int{0, 1}, edit: func(o *Outcome) {
			o.Build.State.Layers[2].Always, o.Build.State.Layers[3].Inputs = true, []int{2}
		}}, before: has("a", "b"), layers: map[Why]int{RunsAlways: 2}},
		"edited": {image: sample{states: []impact.LayerState{cac, inv}, keys: keys, ran: []int{0}, edit: func(o *Outcome) { o.Build.Edited = true }},
			before: has("a"), layers: map[Why]int{FilesEdited: 2}},
		"ignored arguments": {image: sample{states: []impact.LayerState{cac, inv}, keys: keys, ran: []int{0, 1}, edit: func(o *Outcome) { o.Build.ArgsIgnored = true }},
			before: has("a"), layers: map[Why]int{ArgumentsIgnored: 1}},
		"ignored arguments, in the step's name": {image: sample{states: []impact.LayerState{cac, inv}, keys: keys, ran: []int{0, 1}, edit: func(o *Outcome) {
			o.Build.ArgsIgnored = true
			o.Build.State.Layers[2].Name, o.Build.Predicted.Layers[1].Name = "[1/2] RUN ignored", "[1/2] RUN ignored"
			o.Build.Ran[0] = Step{Name: "[1/2] RUN 7", Line: 2}
		}}, before: has("a"), layers: map[Why]int{ArgumentsIgnored: 1}},
		"a parent moved": {image: sample{states: []impact.LayerState{cac, inv}, keys: keys, ran: []int{0, 1}, edit: func(o *Outcome) {
			o.Build.State.Parents = []impact.Parent{{Image: "base", Ref: "os"}}
			o.Build.Parents["base"] = "another"
		}}, before: has("a"), layers: map[Why]int{ParentChanged: 1}},
		"a parent that the layer does not stand on moved": {image: sample{states: []impact.LayerState{cac, inv}, keys: keys, ran: []int{0, 1}, edit: func(o *Outcome) {
			o.Build.State.Parents = []impact.Parent{{Image: "base", Ref: "else"}}
			o.Build.Parents["base"] = "another"
		}}, before: has("a"), misses: []MissKind{Unsound}},
		"a parent came out the same": {image: sample{states: []impact.LayerState{inv, inv}, keys: keys, ran: []int{1}, edit: func(o *Outcome) { o.Build.Predicted.Parents = []string{"base"} }},
			also: []Outcome{{Image: "base", End: CutOff}}, layers: map[Why]int{ParentSame: 1}},
		"another image failed": {image: sample{states: []impact.LayerState{inv, inv}, keys: keys, ran: []int{1}},
			also: []Outcome{{Image: "x", End: Unfinished, Build: sample{name: "x"}.outcome().Build}}, layers: map[Why]int{OtherImageFailed: 1}},
		"link, copied and found": {image: sample{states: []impact.LayerState{inv, inv}, keys: keys, ran: []int{1}, edit: layer(0, func(l *impact.StateLayer) { l.Link = true })},
			before: has("b"), copiesLink: true, layers: map[Why]int{LinkCopied: 1}},
		"inline document, found": {image: sample{states: []impact.LayerState{inv, inv}, keys: keys, ran: []int{1}, edit: layer(0, func(l *impact.StateLayer) { l.Line, l.Stage, l.Inline = 0, "", true })},
			before: has("b"), layers: map[Why]int{InlineDocument: 1}},
		"without the cache": {image: sample{states: []impact.LayerState{cac, inv}, keys: keys, ran: []int{0, 1}, edit: func(o *Outcome) { o.Build.NoCache = true }},
			before: has("a"), images: map[Why]int{BuiltWithoutCache: 1}},
		"another Dockerfile": {image: sample{states: []impact.LayerState{cac, inv}, keys: keys, ran: []int{0, 1}, edit: func(o *Outcome) { o.Build.State.Layers[3].Name = "else" }},
			before: has("a"), images: map[Why]int{LayersDiffer: 1}},
		"a layer too many": {image: sample{states: []impact.LayerState{cac, inv}, keys: keys, edit: func(o *Outcome) { o.Build.Predicted.Layers = o.Build.Predicted.Layers[:2] }},
			before: has("a"), images: map[Why]int{LayersDiffer: 1}},
		"a layer too few": {image: sample{states: []impact.LayerState{cac, inv}, keys: keys, edit: func(o *Outcome) { o.Build.State.Layers = o.Build.State.Layers[:3] }},
			before: has("a"), images: map[Why]int{LayersDiffer: 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.image.name = "app"
			outcomes := append(slices.Clone(tt.also), tt.image.outcome())
			c := &comparison{
				outcomes: outcomes, before: tt.before, killed: map[string]bool{tt.killed: true}, copiesLink: tt.copiesLink,
				earlier: func(keys map[string]bool) map[string]bool {
					found := map[string]bool{}
					for _, d := range tt.seen {
						found[string(d)] = keys[string(d)]
					}
					return found
				},
			}
			a := c.audit()
			checkTally(t, a)
			var kinds []MissKind
			for _, m := range a.Misses {
				kinds = append(kinds, m.Kind)
			}
			if !slices.Equal(kinds, tt.misses) {
				t.Errorf("misses %q, want %q", kinds, tt.misses)
			}
			if tt.layers == nil {
				tt.layers = map[Why]int{}
			}
			if !maps.Equal(a.Layers.NotComparable, tt.layers) {
				t.Errorf("layers not comparable %v, want %v", a.Layers.NotComparable, tt.layers)
			}
			if tt.images == nil {
				tt.images = map[Why]int{}
			}
			if !maps.Equal(a.Images.NotCompared, tt.images) {
				t.Errorf("images not compared %v, want %v", a.Images.NotCompared, tt.images)
			}
		})
	}
}

// checkTally holds the sums of an audit.
func checkTally(t *testing.T, a *Audit) {
	t.Helper()
	sum := func(m map[Why]int) (n int) {
		for _, k := range m {
			n += k
		}
		return n
	}
	if l := a.Layers; l.Cached+l.Invalidated != l.Right+l.Unsound+l.Wide+sum(l.NotComparable) {
		t.Errorf("layers do not add up: %+v", l)
	}
	if im := a.Images; im.Built != im.Right+im.ForNothing+sum(im.NotComparable)+sum(im.NotCompared) {
		t.Errorf("images do not add up: %+v", im)
	}
	if len(a.Misses) != a.Layers.Unsound+a.Layers.Wide+a.Images.ForNothing {
		t.Errorf("%d misses: %+v %+v", len(a.Misses), a.Layers, a.Images)
	}
}

// An image that came out as it was, with nothing run.
func TestAuditForNothing(t *testing.T) {
	same := func(change func(*Outcome)) sample {
		return sample{name: "app", states: []impact.LayerState{cac}, keys: []impact.Digest{"a"}, reasons: []impact.ReasonKind{impact.ReasonFile}, edit: func(o *Outcome) {
			o.Made.Chain = []string{"old"}
			change(o)
		}}
	}
	tests := map[string]struct {
		image sample
		also  []Outcome
		why   Why // "-": right, "": a miss
	}{
		"a miss":         {image: same(func(*Outcome) {})},
		"another chain":  {image: same(func(o *Outcome) { o.Made.Chain = []string{"new"} }), why: "-"},
		"another config": {image: same(func(o *Outcome) { o.Made.Config = "d" }), why: "-"},
		"no record":      {image: same(func(o *Outcome) { o.Build.Old = nil }), why: "-"},
		"missing":        {image: same(func(o *Outcome) { o.Build.Predicted.Reasons[0].Kind = impact.ReasonMissing }), why: "-"},
		"forced":         {image: same(func(o *Outcome) { o.Build.Predicted.Reasons[0].Kind = impact.ReasonForced }), why: "-"},
		"failed before":  {image: same(func(o *Outcome) { o.Build.Predicted.Reasons[0].Kind = impact.ReasonFailed }), why: "-"},
		"a tag": {image: same(func(o *Outcome) {
			o.Build.Predicted.Reasons[0] = impact.Reason{Kind: impact.ReasonConfig, Field: impact.FieldTag}
		}), why: "-"},
		"unsure":          {image: same(func(o *Outcome) { o.Build.Predicted.Unsure = true }), why: ComparedByContent},
		"a parent's wake": {image: same(func(o *Outcome) { o.Build.Predicted.Reasons[0].Kind = impact.ReasonParent }), why: ComparedByContent},
		"edited":          {image: same(func(o *Outcome) { o.Build.Edited = true }), why: FilesEdited},
		"its layers cannot be compared": {image: same(func(o *Outcome) {
			o.Build.Predicted.Layers[1].State = inv
			o.Build.Old.State = nil
		}), why: SeenBefore},
		"same parent": {image: same(func(o *Outcome) { o.Build.Predicted.Parents = []string{"base"} }),
			also: []Outcome{{Image: "base", End: CutOff}}, why: ParentSame},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := &comparison{outcomes: append(tt.also, tt.image.outcome()), before: has("a"), earlier: (*Log)(nil).known}
			a := c.audit()
			checkTally(t, a)
			switch {
			case tt.why == "-" && a.Images.Right != 1,
				tt.why == "" && a.Images.ForNothing != 1,
				len(tt.why) > 1 && a.Images.NotComparable[tt.why] != 1:
				t.Errorf("%+v", a.Images)
			}
		})
	}
}

// What failed or was cancelled leaves layers in the engine too; of what records know,
// nothing new is kept. Without any build there is no audit.
func TestAuditKeys(t *testing.T) {
	failed := sample{name: "x", states: []impact.LayerState{inv}, keys: []impact.Digest{"x1"}}.outcome()
	failed.End, failed.Made = Unfinished, nil
	built := sample{name: "app", states: []impact.LayerState{cac, inv}, keys: []impact.Digest{"a", "b"}, ran: []int{1}, edit: func(o *Outcome) {
		o.Build.State.Layers[3].OwnKey = "sha256:0123456789abcdef0123456789abcdef"
	}}.outcome()
	c := &comparison{outcomes: []Outcome{failed, built, {Image: "kept", End: Kept}}, before: has("a"), earlier: (*Log)(nil).known}
	if a := c.audit(); !slices.Equal(a.Keys, []string{"0123456789abcdef", "b", "x1"}) || a.Images.Built != 1 {
		t.Errorf("%+v", a)
	}
	c = &comparison{outcomes: []Outcome{{Image: "kept", End: Kept}, {Image: "skipped", End: Untouched}}, earlier: (*Log)(nil).known}
	if a := c.audit(); a != nil {
		t.Errorf("%+v", a)
	}
}

func TestLikelyCauses(t *testing.T) {
	begun := auditDay.Add(time.Hour)
	old := func(shared bool, what string) CacheEntry {
		return CacheEntry{Created: auditDay.Add(-time.Minute), Shared: shared, Description: what}
	}
	fresh := func(what string) CacheEntry {
		return CacheEntry{Created: begun.Add(time.Second), Description: what}
	}
	const exec = "mount / from exec /bin/sh -c make all"
	miss := func(change func(*Miss)) Miss {
		m := Miss{Kind: Unsound, Instruction: "RUN --network=none  make all", known: vouched{since: auditDay, sameStep: true}}
		change(&m)
		return m
	}
	const os = "docker.io/library/os:1"
	named := func(id string) func(ref string) string {
		return func(ref string) string { return map[string]string{os: id}[ref] }
	}
	base := func(known bool) func(*Miss) {
		return func(m *Miss) {
			m.known.bases, m.known.baseIDs = []impact.ExternalRef{{Ref: os, Known: known}}, map[string]string{os: "1"}
		}
	}
	nothing := func(*Miss) {}
	tests := map[string]struct {
		e    Evidence
		miss Miss
		want CauseKind
	}{
		"nothing is older":               {e: Evidence{Asked: true, Cache: []CacheEntry{fresh(exec)}}, miss: miss(nothing), want: CauseCachePruned},
		"only images hold what is older": {e: Evidence{Asked: true, Cache: []CacheEntry{fresh(exec), old(true, "fileop target")}}, miss: miss(nothing), want: CauseCachePruned},
		"the command's result is gone":   {e: Evidence{Asked: true, Cache: []CacheEntry{fresh(exec), old(false, "fileop target")}}, miss: miss(nothing), want: CauseCachePruned},
		"it is there":                    {e: Evidence{Asked: true, Cache: []CacheEntry{fresh(exec), old(false, exec)}}, miss: miss(nothing), want: CauseUnknown},
		"the record had another command": {e: Evidence{Asked: true, Cache: []CacheEntry{fresh(exec), old(false, "fileop target")}}, miss: miss(func(m *Miss) { m.known.sameStep = false }), want: CauseUnknown},
		"a copy":                         {e: Evidence{Asked: true, Cache: []CacheEntry{fresh("fileop target"), old(false, "from local")}}, miss: miss(func(m *Miss) { m.Instruction = "COPY a /" }), want: CauseUnknown},
		"the engine does not say":        {miss: miss(nothing), want: CauseUnknown},
		"a base that nobody knows":       {e: Evidence{Asked: true, Cache: []CacheEntry{fresh(exec), old(false, exec)}}, miss: miss(base(false)), want: CauseBaseUnseen},
		"a base that moved":              {e: Evidence{BaseIDs: named("2")}, miss: miss(base(true)), want: CauseBaseMoved},
		"a base that did not":            {e: Evidence{BaseIDs: named("1")}, miss: miss(base(true)), want: CauseUnknown},
		"a base that was pulled": {e: Evidence{BaseIDs: named("1")}, miss: miss(func(m *Miss) {
			base(true)(m)
			m.known.pulled = true
		}), want: CauseBaseAsked},
		"wide": {e: Evidence{Asked: true}, miss: miss(func(m *Miss) { m.Kind = Wide }), want: CauseUnknown},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.e.Begun = begun
			tt.miss.Cause.Kind = CauseUnknown
			a := &Audit{Misses: []Miss{tt.miss}}
			a.Explain(tt.e)
			cause := a.Misses[0].Cause
			if cause.Kind != tt.want || (cause.Base != "") != strings.HasPrefix(string(tt.want), "base-") {
				t.Errorf("%+v", cause)
			}
			if (cause.Since != nil) != (tt.want == CauseCachePruned) || cause.Since != nil && !cause.Since.Equal(auditDay) {
				t.Errorf("since %v", cause.Since)
			}
			if fault := len(a.Faults()) == 1; fault != (tt.miss.Kind == Unsound && tt.want != CauseCachePruned) {
				t.Errorf("a fault: %v", fault)
			}
		})
	}
	// One layer that was evicted speaks for the others.
	e := Evidence{Begun: begun, Asked: true, Cache: []CacheEntry{fresh(exec), old(false, "from local")}}
	a := &Audit{Misses: []Miss{miss(func(m *Miss) { m.Instruction = "COPY a /" }), miss(nothing)}}
	a.Explain(e)
	if a.Misses[0].Cause.Kind != CauseCachePruned || a.Misses[1].Cause.Kind != CauseCachePruned {
		t.Errorf("%+v", a.Misses)
	}
}

func TestCommandOf(t *testing.T) {
	tests := map[string]string{
		"RUN make": "make",
		"run  --mount=type=cache,target=/c  --network=none a\n b": "a b",
		"RUN [\"a\", \"b\"]": "",
		"RUN a \\\n  b":      "",
		"RUN <<EOF\nx\nEOF":  "",
		"COPY a /":           "",
		"RUN":                "",
		"":                   "",
	}
	for in, want := range tests {
		if got := commandOf(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// What is kept comes back as it was, but for what only explains it.
func TestAuditRoundTrip(t *testing.T) {
	log := OpenLog(filepath.Join(t.TempDir(), "engine", "audit.jsonl"))
	if audits, warning, err := log.Read(); len(audits) > 0 || warning != "" || err != nil {
		t.Fatalf("%v %q %v", audits, warning, err)
	}
	a := &Audit{Version: version, Ended: auditDay, Engine: "20.10", Keys: []string{strings.Repeat("k", shortKeyLen)},
		Images: ImageTally{Built: 1, Right: 1, NotComparable: map[Why]int{FilesEdited: 1}}, Layers: LayerTally{Cached: 1, Unsound: 1},
		Misses: []Miss{{Kind: Unsound, Image: "app", Layer: 2, Line: 3, Cause: Cause{Kind: CauseBaseMoved, Base: "os", Since: &auditDay}, Reasons: []impact.Reason{{Kind: impact.ReasonFile, Path: "p"}}}}}
	for range 2 {
		if err := log.Append(a); err != nil {
			t.Fatal(err)
		}
	}
	audits, warning, err := log.Read()
	if len(audits) != 2 || warning != "" || err != nil || !reflect.DeepEqual(&audits[1], a) {
		t.Errorf("%+v %q %v", audits, warning, err)
	}
	kept, other := strings.Repeat("k", shortKeyLen), strings.Repeat("o", shortKeyLen)
	if got := log.known(map[string]bool{kept: true, other: true}); !maps.Equal(got, map[string]bool{kept: true}) {
		t.Errorf("known: %v", got)
	}
}
