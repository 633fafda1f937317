package prepush

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rebuild/hooks"
	"rebuild/impact"
)

// world is a repository of commits a, b, c, ... in a row, of which the remote has some, and
// the images that each pushed commit rebuilds.
type world struct {
	known    string            // the newest commit that the remote is known to have; "": none
	rebuilds []string          // image, or image:seconds
	parents  map[string]string // image -> the one that it is built on
	built    []string
	onPush   map[string]string // image -> policy
	fails    []string
	err      error         // of the build
	slow     time.Duration // until the build ends

	options Options
	events  []Event
	builds  [][]string
	shown   []bool // whether what was said in a planning was printed
}

func (w *world) planned() *Planned {
	target := &impact.Snapshot{States: map[string]*impact.State{}}
	plan := &impact.Plan{}
	total := 0.0
	for _, text := range w.rebuilds {
		name, cost, timed := strings.Cut(text, ":")
		st := &impact.State{Name: name}
		ip := impact.ImagePlan{Name: name, Action: impact.Rebuild, Selected: true, Reasons: []impact.Reason{{Kind: impact.ReasonFile}}}
		if parent := w.parents[name]; parent != "" {
			st.Parents = []impact.Parent{{Image: parent}}
			ip.Parents = []string{parent}
			ip.Reasons[0].Kind = impact.ReasonParent
		}
		if timed {
			var seconds float64
			_, _ = fmt.Sscan(cost, &seconds) // of the test itself
			ip.Estimate = &seconds
			total += seconds
			plan.Estimate = &total
		}
		target.Catalog.Images = append(target.Catalog.Images, impact.Image{Name: name})
		target.Catalog.Phases = append(target.Catalog.Phases, impact.Phase{Name: name, OnPush: w.onPush[name], Images: []string{name}})
		target.States[name], target.Order = st, append(target.Order, name)
		plan.Images = append(plan.Images, ip)
		plan.Phases = append(plan.Phases, impact.Phase{Name: name, Images: []string{name}})
	}
	p := &Planned{Plan: plan, Target: target, Built: map[string]bool{}, Messages: func(print bool) { w.shown = append(w.shown, print) }}
	for _, name := range w.built {
		p.Built[name] = true
	}
	return p
}

func (w *world) build(ctx context.Context, _ Commit, images []string, begin func()) ([]Outcome, error) {
	if w.err != nil {
		return nil, w.err
	}
	begin()
	w.builds = append(w.builds, images)
	var outcomes []Outcome
	for _, name := range images {
		o := Outcome{Image: name}
		switch parent := w.parents[name]; {
		case slices.Contains(w.fails, name):
			o.End = Failed
		case slices.Contains(w.fails, parent):
			o.End, o.Because = Skipped, parent
		}
		outcomes = append(outcomes, o)
	}
	if w.slow > 0 {
		select {
		case <-time.After(w.slow):
		case <-ctx.Done():
			outcomes[len(outcomes)-1].End = Unfinished
			return outcomes, ctx.Err()
		}
	}
	return outcomes, nil
}

func (w *world) push(t *testing.T, updates ...hooks.Update) (stop bool, err error) {
	t.Helper()
	o := w.options
	if o.Mode == "" {
		o.Mode = Build
	}
	o.Slots, o.CachedSeconds = 1, 0.5
	o.Resolve = func(_ context.Context, object string) (string, bool, error) {
		return object, len(object) == 1, nil
	}
	o.KnownAt = func(context.Context, string, string) (string, error) { return w.known, nil }
	o.Plan = func(context.Context, Commit) (*Planned, error) { return w.planned(), nil }
	o.Build = w.build
	o.Tell = func(e Event) { w.events = append(w.events, e) }
	if len(updates) == 0 {
		updates = []hooks.Update{{LocalRef: "refs/heads/main", Local: "b", RemoteRef: "refs/heads/main", Remote: "a"}}
	}
	return Run(t.Context(), hooks.Push{Remote: "origin", Updates: updates}, o)
}

// told are the kinds of the events.
func (w *world) told() []string {
	var kinds []string
	for _, e := range w.events {
		kinds = append(kinds, reflect.TypeOf(e).Name())
	}
	return kinds
}

func TestRun(t *testing.T) {
	for name, tt := range map[string]struct {
		world world
		told  []string
		built []string
		stop  bool
		err   bool
	}{
		"nothing is touched":    {},
		"one image":             {world: world{rebuilds: []string{"app"}}, told: []string{"Beginning", "Checked"}, built: []string{"app"}},
		"built before":          {world: world{rebuilds: []string{"app"}, built: []string{"app"}}},
		"no push is held to it": {world: world{rebuilds: []string{"app"}, onPush: map[string]string{"app": "skip"}}},
		"it fails": {world: world{rebuilds: []string{"app"}, fails: []string{"app"}},
			told: []string{"Beginning", "Checked"}, built: []string{"app"}, stop: true},
		"its base fails": {world: world{rebuilds: []string{"base", "app"}, parents: map[string]string{"app": "base"}, fails: []string{"base"}},
			told: []string{"Beginning", "Checked"}, built: []string{"base", "app"}, stop: true},
		"it fails, and its phase only warns": {world: world{rebuilds: []string{"app"}, fails: []string{"app"}, onPush: map[string]string{"app": "warn"}},
			told: []string{"Beginning", "Checked"}, built: []string{"app"}},
		"no engine":           {world: world{rebuilds: []string{"app"}, err: &Unreachable{errors.New("gone")}}, told: []string{"NotChecked"}},
		"no engine, strictly": {world: world{rebuilds: []string{"app"}, err: &Unreachable{errors.New("gone")}, options: Options{Strict: true}}, err: true},
		"another error":       {world: world{rebuilds: []string{"app"}, err: errors.New("disk full")}, err: true},
		"only the plan":       {world: world{rebuilds: []string{"app"}, options: Options{Mode: Plan}}, told: []string{"OnlyPlanned"}},
		"verified":            {world: world{rebuilds: []string{"app"}, options: Options{Mode: Verify}}, told: []string{"NeverBuilt"}, stop: true},
		"verified, and its phase only warns": {world: world{rebuilds: []string{"app"}, options: Options{Mode: Verify}, onPush: map[string]string{"app": "warn"}},
			told: []string{"NeverBuilt"}},
		"within the budget": {world: world{rebuilds: []string{"app:5"}, options: Options{Budget: 6 * time.Second}},
			told: []string{"Beginning", "Checked"}, built: []string{"app"}},
		"over the budget": {world: world{rebuilds: []string{"app:7"}, options: Options{Budget: 6 * time.Second}}, told: []string{"NotChecked"}},
		"over the budget, strictly": {world: world{rebuilds: []string{"app:7"}, options: Options{Budget: 6 * time.Second, Strict: true}},
			told: []string{"NotChecked"}, stop: true},
		"what fits is built": {world: world{rebuilds: []string{"a:5", "b:5", "c:1"}, options: Options{Budget: 6 * time.Second}},
			told: []string{"NotChecked", "Beginning", "Checked"}, built: []string{"a", "c"}},
		"a parent that was built costs little": {world: world{rebuilds: []string{"base:60", "app:5"}, parents: map[string]string{"app": "base"}, built: []string{"base"}, options: Options{Budget: 6 * time.Second}},
			told: []string{"Beginning", "Checked"}, built: []string{"app"}},
		"nobody knows how long, and it is soon": {world: world{rebuilds: []string{"app"}, slow: time.Second, options: Options{Budget: 6 * time.Second}},
			told: []string{"Beginning", "Checked"}, built: []string{"app"}},
		"nobody knows how long, and the clock ends it": {world: world{rebuilds: []string{"app", "late"}, slow: time.Minute, options: Options{Budget: 6 * time.Second}},
			told: []string{"Beginning", "Checked", "NotChecked"}, built: []string{"app", "late"}},
		"the clock ends it, strictly": {world: world{rebuilds: []string{"app"}, slow: time.Minute, options: Options{Budget: 6 * time.Second, Strict: true}},
			told: []string{"Beginning", "Checked", "NotChecked"}, built: []string{"app"}, stop: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &tt.world
				stop, err := w.push(t)
				if (err != nil) != tt.err || stop != tt.stop {
					t.Errorf("stop %v, error %v", stop, err)
				}
				if told := w.told(); !slices.Equal(told, tt.told) {
					t.Errorf("told %q, want %q", told, tt.told)
				}
				if built := slices.Concat(w.builds...); !slices.Equal(built, tt.built) {
					t.Errorf("built %q, want %q", built, tt.built)
				}
				// What was said while it was planned is printed when there is something to do.
				if want := []bool{len(tt.told) > 0 || tt.err}; !slices.Equal(w.shown, want) {
					t.Errorf("messages %v, want %v", w.shown, want)
				}
			})
		})
	}
}

// What is told of a base says what its change costs.
func TestBeginning(t *testing.T) {
	w := &world{rebuilds: []string{"base:10", "app:5", "other:1"}, parents: map[string]string{"app": "base"}}
	if _, err := w.push(t); err != nil {
		t.Fatal(err)
	}
	e := w.events[0].(Beginning)
	if len(e.Causes) != 1 || *e.Seconds != 16 {
		t.Fatalf("%+v", e)
	}
	if c := e.Causes[0]; c.Image != "base" || c.Images != 2 || !c.Base || *c.Seconds != 15 {
		t.Errorf("%+v", c)
	}
}

func TestCommits(t *testing.T) {
	branch := func(local, remote string) hooks.Update {
		return hooks.Update{LocalRef: "refs/heads/x", Local: local, RemoteRef: "refs/heads/x", Remote: remote}
	}
	tag := func(local string) hooks.Update {
		return hooks.Update{LocalRef: "refs/tags/v1", Local: local, RemoteRef: "refs/tags/v1", Remote: hooks.Zero}
	}
	for name, tt := range map[string]struct {
		known   string
		updates []hooks.Update
		want    []string // base..commit
	}{
		"a branch goes on":            {updates: []hooks.Update{branch("b", "a")}, want: []string{"a..b"}},
		"a new branch":                {known: "a", updates: []hooks.Update{branch("b", hooks.Zero)}, want: []string{"a..b"}},
		"the first of all":            {updates: []hooks.Update{branch("b", hooks.Zero)}, want: []string{hooks.Zero + "..b"}},
		"deleted":                     {updates: []hooks.Update{branch(hooks.Zero, "a")}},
		"forced over what is unknown": {known: "a", updates: []hooks.Update{branch("b", "not here")}, want: []string{"a..b"}},
		"no commit":                   {updates: []hooks.Update{branch("a tree", "a")}},
		"two branches, one commit":    {updates: []hooks.Update{branch("b", "a"), branch("b", "a")}, want: []string{"a..b"}},
		"a tag of what is pushed":     {known: "a", updates: []hooks.Update{tag("b"), branch("b", "a")}, want: []string{"a..b"}},
		"a tag of what is there":      {known: "b", updates: []hooks.Update{tag("b")}},
		"a tag alone":                 {known: "a", updates: []hooks.Update{tag("c")}, want: []string{"a..c"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{known: tt.known, rebuilds: []string{"app"}, options: Options{Mode: Plan}}
			if _, err := w.push(t, tt.updates...); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range w.events {
				c := e.(OnlyPlanned).Commit
				got = append(got, c.Base+".."+c.ID)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
