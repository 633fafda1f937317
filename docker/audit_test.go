package docker

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"

	"rebuild/impact"
)

// audited is one image of a made-up run: two stages' worth of steps on a base.
type audited struct {
	name    string
	states  []string        // of the layers in the plan, for each of keys
	keys    []impact.Digest // of COPY, RUN, ...
	ran     []int           // which of them BuildKit executed
	reasons []string        // kinds
	edit    func(*Outcome)
}

var auditDay = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// outcome makes a build of it. The first layer of its state is the base, which is
// no step, the second the context, which no plan lists.
func (a audited) outcome() Outcome {
	st := &impact.State{Name: a.name, Bases: []impact.ExternalRef{{Ref: "os", Known: true}}, Layers: []impact.StateLayer{
		{Key: "os", OwnKey: "os", Op: "image", From: "os", Name: "FROM os", Line: 1, Stage: "stage-0"},
		{Key: "context", OwnKey: "context", Op: "local", Name: "context"},
	}}
	ip := &impact.ImagePlan{Name: a.name, Action: impact.Rebuild, Layers: []impact.LayerPlan{{Index: 1, Name: "FROM os", State: impact.Cached}}}
	for _, kind := range a.reasons {
		ip.Reasons = append(ip.Reasons, impact.Reason{Kind: impact.ReasonKind(kind)})
	}
	res := &Result{Chain: []string{"new"}, Config: "c"}
	for i, key := range a.keys {
		name := "RUN " + string(key)
		st.Layers = append(st.Layers, impact.StateLayer{
			Key: key, OwnKey: key, Op: key, Inputs: []int{0}, Stage: "stage-0", File: "Dockerfile", Line: 2 + i, Instruction: name, Name: name,
		})
		ip.Layers = append(ip.Layers, impact.LayerPlan{
			Index: 2 + i, Name: name, State: impact.LayerState(a.states[i]), Step: true, Dockerfile: "Dockerfile", Line: 2 + i, Instruction: name,
		})
		res.Steps = append(res.Steps, Step{Name: name, Cached: !slices.Contains(a.ran, i), Started: auditDay, Completed: auditDay})
	}
	old := &Record{Image: a.name, ImageID: "old", Chain: []string{"old"}, Config: "c", State: &impact.State{}, Built: auditDay}
	o := Outcome{Image: a.name, Status: Built, Result: res, build: &imageBuild{name: a.name, state: st, foretold: ip, old: old, parents: map[string]impact.Digest{}}}
	if a.edit != nil {
		a.edit(&o)
	}
	return o
}

// has is a record that says the engine has some layers.
func has(keys ...impact.Digest) map[string]*Record {
	st := &impact.State{}
	for _, k := range keys {
		st.Layers = append(st.Layers, impact.StateLayer{Key: k, OwnKey: k, Instruction: "RUN " + string(k)})
	}
	return map[string]*Record{"before": {Image: "before", ImageID: "i", State: st, Built: auditDay}}
}

const inv, cac = string(impact.Invalidated), string(impact.Cached)

func TestAudit(t *testing.T) {
	keys := []impact.Digest{"a", "b"}
	layer := func(i int, change func(*impact.StateLayer)) func(*Outcome) {
		return func(o *Outcome) { change(&o.build.state.Layers[2+i]) }
	}
	tests := map[string]struct {
		image      audited
		before     map[string]*Record
		seen       []impact.Digest
		copiesLink bool
		killed     string
		also       []Outcome
		misses     []string // kinds
		layers     map[string]int
		images     map[string]int
	}{
		"right":                                  {image: audited{states: []string{cac, inv}, keys: keys, ran: []int{1}}, before: has("a")},
		"nothing ran, as foretold: config alone": {image: audited{states: []string{cac, cac}, keys: keys}, before: has("a", "b")},
		"unsound":                                {image: audited{states: []string{cac, cac}, keys: keys, ran: []int{1}}, before: has("a", "b"), misses: []string{Unsound}},
		"another image ran it": {image: audited{states: []string{cac, inv}, keys: keys}, before: has("a"), also: []Outcome{
			audited{name: "twin", states: []string{inv}, keys: keys[1:], ran: []int{0}}.outcome()}},
		"wide": {image: audited{states: []string{cac, inv}, keys: keys, edit: func(o *Outcome) {
			o.Result.Chain = []string{"old"}
			o.build.foretold.Reasons = []impact.Reason{{Kind: impact.ReasonMissing}}
		}},
			before: has("a"), misses: []string{Wide}},
		"found though nothing ran, in an image unlike the record": {image: audited{states: []string{cac, inv}, keys: keys}, before: has("a"), layers: map[string]int{apartSeen: 1}},
		"seen before":                   {image: audited{states: []string{inv, inv}, keys: keys, ran: []int{1}}, seen: keys[:1], layers: map[string]int{apartSeen: 1}},
		"of a record, against a commit": {image: audited{states: []string{inv, inv}, keys: keys, ran: []int{1}}, before: has("a"), layers: map[string]int{apartSeen: 1}},
		"never built here":              {image: audited{states: []string{cac, cac}, keys: keys, ran: []int{0}}, before: has("b"), layers: map[string]int{apartElse: 1}},
		"no record":                     {image: audited{states: []string{inv, inv}, keys: keys, ran: []int{1}, edit: func(o *Outcome) { o.build.old = nil }}, layers: map[string]int{apartSeen: 1}},
		"a killed run":                  {image: audited{states: []string{inv, inv}, keys: keys, ran: []int{1}}, killed: "app", layers: map[string]int{apartSeen: 1}},
		"floor on record": {image: audited{states: []string{inv, inv}, keys: keys, ran: []int{1}, edit: layer(0, func(l *impact.StateLayer) { l.OwnKey = "f" })},
			before: has("f"), layers: map[string]int{apartContent: 1}},
		"floor seen": {image: audited{states: []string{inv, inv}, keys: keys, ran: []int{1}, edit: layer(0, func(l *impact.StateLayer) { l.OwnKey = "f" })},
			seen: []impact.Digest{"f"}, layers: map[string]int{apartContent: 1}},
		"inline document": {image: audited{states: []string{cac, cac}, keys: keys, ran: []int{0}, edit: layer(0, func(l *impact.StateLayer) { l.Line, l.Stage, l.Inline = 0, "", true })},
			before: has("a", "b"), layers: map[string]int{apartInline: 1}},
		"link, copied": {image: audited{states: []string{cac, inv}, keys: keys, ran: []int{0, 1}, edit: layer(0, func(l *impact.StateLayer) { l.Link = true })},
			before: has("a"), copiesLink: true, layers: map[string]int{apartLink: 1}},
		"link, merged": {image: audited{states: []string{cac, inv}, keys: keys, ran: []int{0, 1}, edit: layer(0, func(l *impact.StateLayer) { l.Link = true })},
			before: has("a"), misses: []string{Unsound}},
		"on one that always runs": {image: audited{states: []string{cac, cac}, keys: keys, ran: []int{0, 1}, edit: func(o *Outcome) {
			o.build.state.Layers[2].Always, o.build.state.Layers[3].Inputs = true, []int{2}
		}}, before: has("a", "b"), layers: map[string]int{apartAlways: 2}},
		"edited": {image: audited{states: []string{cac, inv}, keys: keys, ran: []int{0}, edit: func(o *Outcome) { o.Changed = true }},
			before: has("a"), layers: map[string]int{apartEdited: 2}},
		"ignored arguments": {image: audited{states: []string{cac, inv}, keys: keys, ran: []int{0, 1}, edit: func(o *Outcome) { o.build.asked.leftOut = true }},
			before: has("a"), layers: map[string]int{apartLeftOut: 1}},
		"ignored arguments, in the step's name": {image: audited{states: []string{cac, inv}, keys: keys, ran: []int{0, 1}, edit: func(o *Outcome) {
			o.build.asked.leftOut = true
			o.build.state.Layers[2].Name, o.build.foretold.Layers[1].Name = "[1/2] RUN ignored", "[1/2] RUN ignored"
			o.Result.Steps[0].Name, o.Result.Steps[0].Line = "[1/2] RUN 7", 2
		}}, before: has("a"), layers: map[string]int{apartLeftOut: 1}},
		"a parent moved": {image: audited{states: []string{cac, inv}, keys: keys, ran: []int{0, 1}, edit: func(o *Outcome) {
			o.build.state.Parents = []impact.Parent{{Image: "base", Ref: "os"}}
			o.build.parents["base"] = "another"
		}}, before: has("a"), layers: map[string]int{apartMoved: 1}},
		"a parent that the layer does not stand on moved": {image: audited{states: []string{cac, inv}, keys: keys, ran: []int{0, 1}, edit: func(o *Outcome) {
			o.build.state.Parents = []impact.Parent{{Image: "base", Ref: "else"}}
			o.build.parents["base"] = "another"
		}}, before: has("a"), misses: []string{Unsound}},
		"a parent came out the same": {image: audited{states: []string{inv, inv}, keys: keys, ran: []int{1}, edit: func(o *Outcome) { o.build.foretold.Parents = []string{"base"} }},
			also: []Outcome{{Image: "base", Status: CutOff}}, layers: map[string]int{apartSame: 1}},
		"another image failed": {image: audited{states: []string{inv, inv}, keys: keys, ran: []int{1}},
			also: []Outcome{{Image: "x", Status: Failed, build: audited{name: "x"}.outcome().build}}, layers: map[string]int{apartFailed: 1}},
		"without the cache": {image: audited{states: []string{cac, inv}, keys: keys, ran: []int{0, 1}, edit: func(o *Outcome) { o.build.asked.noCache = true }},
			before: has("a"), images: map[string]int{skipNoCache: 1}},
		"another Dockerfile": {image: audited{states: []string{cac, inv}, keys: keys, ran: []int{0, 1}, edit: func(o *Outcome) { o.build.state.Layers[3].Name = "else" }},
			before: has("a"), images: map[string]int{skipUnaligned: 1}},
		"a layer too many": {image: audited{states: []string{cac, inv}, keys: keys, edit: func(o *Outcome) { o.build.foretold.Layers = o.build.foretold.Layers[:2] }},
			before: has("a"), images: map[string]int{skipUnaligned: 1}},
		"a layer too few": {image: audited{states: []string{cac, inv}, keys: keys, edit: func(o *Outcome) { o.build.state.Layers = o.build.state.Layers[:3] }},
			before: has("a"), images: map[string]int{skipUnaligned: 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.image.name = "app"
			outcomes := append(slices.Clone(tt.also), tt.image.outcome())
			c := &comparison{
				outcomes: outcomes, before: tt.before, killed: map[string]bool{tt.killed: true}, copiesLink: tt.copiesLink,
				known: func(keys map[string]bool) map[string]bool {
					found := map[string]bool{}
					for _, d := range tt.seen {
						found[string(d)] = keys[string(d)]
					}
					return found
				},
			}
			a := c.audit()
			checkTally(t, a)
			var kinds []string
			for _, m := range a.Misses {
				kinds = append(kinds, m.Kind)
			}
			if !slices.Equal(kinds, tt.misses) {
				t.Errorf("misses %q, want %q", kinds, tt.misses)
			}
			if tt.layers == nil {
				tt.layers = map[string]int{}
			}
			if !maps.Equal(a.Layers.Apart, tt.layers) {
				t.Errorf("layers apart %v, want %v", a.Layers.Apart, tt.layers)
			}
			if tt.images == nil {
				tt.images = map[string]int{}
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
	sum := func(m map[string]int) (n int) {
		for _, k := range m {
			n += k
		}
		return n
	}
	if l := a.Layers; l.Cached+l.Invalidated != l.Right+l.Unsound+l.Wide+sum(l.Apart) {
		t.Errorf("layers do not add up: %+v", l)
	}
	if im := a.Images; im.Built != im.Right+im.ForNothing+sum(im.Apart)+sum(im.NotCompared) {
		t.Errorf("images do not add up: %+v", im)
	}
	if len(a.Misses) != a.Layers.Unsound+a.Layers.Wide+a.Images.ForNothing {
		t.Errorf("%d misses: %+v %+v", len(a.Misses), a.Layers, a.Images)
	}
}

// An image that came out as it was, with nothing run.
func TestAuditForNothing(t *testing.T) {
	same := func(change func(*Outcome)) audited {
		return audited{name: "app", states: []string{cac}, keys: []impact.Digest{"a"}, reasons: []string{string(impact.ReasonFile)}, edit: func(o *Outcome) {
			o.Result.Chain = []string{"old"}
			change(o)
		}}
	}
	tests := map[string]struct {
		image audited
		also  []Outcome
		apart string // "-": right, "": a miss
	}{
		"a miss":         {image: same(func(*Outcome) {})},
		"another chain":  {image: same(func(o *Outcome) { o.Result.Chain = []string{"new"} }), apart: "-"},
		"another config": {image: same(func(o *Outcome) { o.Result.Config = "d" }), apart: "-"},
		"no record":      {image: same(func(o *Outcome) { o.build.old = nil }), apart: "-"},
		"missing":        {image: same(func(o *Outcome) { o.build.foretold.Reasons[0].Kind = impact.ReasonMissing }), apart: "-"},
		"forced":         {image: same(func(o *Outcome) { o.build.foretold.Reasons[0].Kind = impact.ReasonForced }), apart: "-"},
		"failed before":  {image: same(func(o *Outcome) { o.build.foretold.Reasons[0].Kind = impact.ReasonFailed }), apart: "-"},
		"a tag": {image: same(func(o *Outcome) {
			o.build.foretold.Reasons[0] = impact.Reason{Kind: impact.ReasonConfig, Field: impact.FieldTag}
		}), apart: "-"},
		"unsure":          {image: same(func(o *Outcome) { o.build.foretold.Unsure = true }), apart: apartContent},
		"a parent's wake": {image: same(func(o *Outcome) { o.build.foretold.Reasons[0].Kind = impact.ReasonParent }), apart: apartContent},
		"edited":          {image: same(func(o *Outcome) { o.Changed = true }), apart: apartEdited},
		"same parent": {image: same(func(o *Outcome) { o.build.foretold.Parents = []string{"base"} }),
			also: []Outcome{{Image: "base", Status: CutOff}}, apart: apartSame},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := &comparison{outcomes: append(tt.also, tt.image.outcome()), before: has("a"), known: (*AuditLog)(nil).known}
			a := c.audit()
			checkTally(t, a)
			switch {
			case tt.apart == "-" && a.Images.Right != 1,
				tt.apart == "" && a.Images.ForNothing != 1,
				len(tt.apart) > 1 && a.Images.Apart[tt.apart] != 1:
				t.Errorf("%+v", a.Images)
			}
		})
	}
}

// What failed or was cancelled leaves layers in the engine too; of what records know,
// nothing new is kept. Without any build there is no audit.
func TestAuditKeys(t *testing.T) {
	failed := audited{name: "x", states: []string{inv}, keys: []impact.Digest{"x1"}}.outcome()
	failed.Status, failed.Result = Failed, nil
	built := audited{name: "app", states: []string{cac, inv}, keys: []impact.Digest{"a", "b"}, ran: []int{1}, edit: func(o *Outcome) {
		o.build.state.Layers[3].OwnKey = "sha256:0123456789abcdef0123456789abcdef"
	}}.outcome()
	c := &comparison{outcomes: []Outcome{failed, built, {Image: "kept", Status: Kept}}, before: has("a"), known: (*AuditLog)(nil).known}
	if a := c.audit(); !slices.Equal(a.Keys, []string{"0123456789abcdef", "b", "x1"}) || a.Images.Built != 1 {
		t.Errorf("%+v", a)
	}
	c = &comparison{outcomes: []Outcome{{Image: "kept", Status: Kept}, {Image: "skipped", Status: Skipped}}, known: (*AuditLog)(nil).known}
	if a := c.audit(); a != nil {
		t.Errorf("%+v", a)
	}
}

func TestLikelyCauses(t *testing.T) {
	begun := auditDay.Add(time.Hour)
	old := func(shared bool, what string) *client.UsageInfo {
		return &client.UsageInfo{CreatedAt: auditDay.Add(-time.Minute), Shared: shared, Description: what}
	}
	fresh := func(what string) *client.UsageInfo {
		return &client.UsageInfo{CreatedAt: begun.Add(time.Second), Description: what}
	}
	const exec = "mount / from exec /bin/sh -c make all"
	miss := func(change func(*Miss)) Miss {
		m := Miss{Kind: Unsound, Instruction: "RUN --network=none  make all", witness: witness{since: auditDay, sameStep: true}}
		change(&m)
		return m
	}
	held := func(ref, id string) Images {
		im := Images{known: true, refs: map[string]string{}, tagged: map[string]bool{}}
		im.add(id, []string{ref}, nil)
		return im
	}
	base := func(known bool) func(*Miss) {
		return func(m *Miss) {
			m.witness.bases, m.witness.held = []impact.ExternalRef{{Ref: "docker.io/library/os:1", Known: known}}, held("os:1", "1")
		}
	}
	nothing := func(*Miss) {}
	tests := map[string]struct {
		e    evidence
		miss Miss
		want CauseKind
	}{
		"nothing is older":               {e: evidence{asked: true, cache: []*client.UsageInfo{fresh(exec)}}, miss: miss(nothing), want: CauseCache},
		"only images hold what is older": {e: evidence{asked: true, cache: []*client.UsageInfo{fresh(exec), old(true, "fileop target")}}, miss: miss(nothing), want: CauseCache},
		"the command's result is gone":   {e: evidence{asked: true, cache: []*client.UsageInfo{fresh(exec), old(false, "fileop target")}}, miss: miss(nothing), want: CauseCache},
		"it is there":                    {e: evidence{asked: true, cache: []*client.UsageInfo{fresh(exec), old(false, exec)}}, miss: miss(nothing), want: CauseUnknown},
		"the record had another command": {e: evidence{asked: true, cache: []*client.UsageInfo{fresh(exec), old(false, "fileop target")}}, miss: miss(func(m *Miss) { m.witness.sameStep = false }), want: CauseUnknown},
		"a copy":                         {e: evidence{asked: true, cache: []*client.UsageInfo{fresh("fileop target"), old(false, "from local")}}, miss: miss(func(m *Miss) { m.Instruction = "COPY a /" }), want: CauseUnknown},
		"the engine does not say":        {miss: miss(nothing), want: CauseUnknown},
		"a base that nobody knows":       {e: evidence{asked: true, cache: []*client.UsageInfo{fresh(exec), old(false, exec)}}, miss: miss(base(false)), want: CauseBase},
		"a base that moved":              {e: evidence{now: held("os:1", "2")}, miss: miss(base(true)), want: CauseBase},
		"a base that did not":            {e: evidence{now: held("os:1", "1")}, miss: miss(base(true)), want: CauseUnknown},
		"a base that was pulled": {e: evidence{now: held("os:1", "1")}, miss: miss(func(m *Miss) {
			base(true)(m)
			m.witness.pulled = true
		}), want: CauseBase},
		"wide": {e: evidence{asked: true}, miss: miss(func(m *Miss) { m.Kind = Wide }), want: CauseUnknown},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.e.begun = begun
			tt.miss.CauseKind, tt.miss.Cause = CauseUnknown, causeUnknown
			misses := []Miss{tt.miss}
			tt.e.explain(misses)
			if misses[0].CauseKind != tt.want {
				t.Errorf("%s: %s", misses[0].CauseKind, misses[0].Cause)
			}
			a := &Audit{Misses: misses}
			if fault := len(a.Faults()) == 1; fault != (tt.miss.Kind == Unsound && tt.want != CauseCache) {
				t.Errorf("a fault: %v", fault)
			}
		})
	}
	// One layer that was evicted speaks for the others.
	e := evidence{begun: begun, asked: true, cache: []*client.UsageInfo{fresh(exec), old(false, "from local")}}
	misses := []Miss{miss(func(m *Miss) { m.Instruction = "COPY a /" }), miss(nothing)}
	e.explain(misses)
	if misses[0].CauseKind != CauseCache || misses[1].CauseKind != CauseCache {
		t.Errorf("%+v", misses)
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

func TestCopiesLink(t *testing.T) {
	for version, want := range map[string]bool{"20.10.24+dfsg1": true, "19.03": true, "23.0.1": false, "28.2.2": false, "": false, "dev": false} {
		if got := copiesLink(version); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}

// What is kept comes back as it was, but for what only explains it.
func TestAuditRoundTrip(t *testing.T) {
	log := OpenRecords(t.TempDir(), "engine").AuditLog()
	if audits, warning, err := log.Read(); len(audits) > 0 || warning != "" || err != nil {
		t.Fatalf("%v %q %v", audits, warning, err)
	}
	a := &Audit{Version: recordVersion, Ended: auditDay, Engine: "20.10", Keys: []string{strings.Repeat("k", shortKeyLen)},
		Images: ImageTally{Built: 1, Right: 1, Apart: map[string]int{"w": 1}}, Layers: LayerTally{Cached: 1, Unsound: 1},
		Misses: []Miss{{Kind: Unsound, Image: "app", Layer: 2, Line: 3, Cause: "c", CauseKind: CauseBase, Reasons: []impact.Reason{{Kind: impact.ReasonFile, Path: "p"}}}}}
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
