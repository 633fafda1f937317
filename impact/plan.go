package impact

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Action is what a plan does with an image.
type Action string

// The actions of a plan.
const (
	Rebuild Action = "rebuild"
	Keep    Action = "keep"
)

// LayerState is what a build will find of a layer.
type LayerState string

// The states of a plan's layers.
const (
	Invalidated LayerState = "invalidated" // a build runs it
	Cached      LayerState = "cached"      // a build finds it in its cache
)

// Plan says per image whether to rebuild it, and why. Its JSON form is stable:
// fields may be added, never changed.
type Plan struct {
	Version  int         `json:"version"`
	Baseline Side        `json:"baseline"`
	Target   Side        `json:"target"`
	Changes  []Change    `json:"changes"` // the changed paths that some selection reads, sorted
	Phases   []Phase     `json:"phases"`  // what is to be rebuilt, in order
	Images   []ImagePlan `json:"images"`  // every image of the catalog, in its order
	Removed  []string    `json:"removed,omitempty"`
	Warnings []string    `json:"warnings,omitempty"`
	Estimate *float64    `json:"estimate_s"` // seconds; null without history
}

// SideKind says what a plan compares.
type SideKind string

// What a plan compares.
const (
	SideWorktree SideKind = "worktree" // the files of the working tree
	SideCommit   SideKind = "commit"
	SideRecords  SideKind = "records" // what the last builds saw
	SideNothing  SideKind = "nothing" // a branch that the remote does not have yet
)

// Side is the baseline or the target of a plan.
type Side struct {
	Kind   SideKind `json:"kind"`
	Rev    string   `json:"rev,omitempty"`    // as it was asked for
	Commit string   `json:"commit,omitempty"` // full id
}

// ImagePlan is the decision on one image.
type ImagePlan struct {
	Name     string   `json:"name"`
	Tags     []string `json:"tags"`
	Phase    int      `json:"phase"` // from 0
	Action   Action   `json:"action"`
	Selected bool     `json:"selected"`

	// Unsure says that nothing of the image changes but files that it copies from
	// another stage or image: BuildKit compares them while it builds, and gives the
	// same image when they come out the same.
	Unsure bool `json:"unsure,omitempty"`

	// OnlyConfig says that each layer is as it was, and the image's config is not.
	OnlyConfig bool `json:"only_config,omitempty"`

	Reasons  []Reason    `json:"reasons"`
	Layers   []LayerPlan `json:"layers"`
	Parents  []string    `json:"parents,omitempty"`
	Err      *Fault      `json:"error"`
	Judged   bool        `json:"judged"`            // false: nobody could convert it, so it is taken to read all of its context
	Assumed  []string    `json:"assumed,omitempty"` // arguments without a value that it is judged with a stand-in for
	Estimate *float64    `json:"estimate_s"`        // seconds; null without history

	Values Values `json:"-"` // that no text about it may hold
}

// LayerPlan is what a build will do with one layer.
type LayerPlan struct {
	Index       int        `json:"index"` // from 1, within the image
	Stage       string     `json:"stage"`
	Dockerfile  string     `json:"dockerfile"`
	Line        int        `json:"line"`
	Instruction string     `json:"instruction"`
	State       LayerState `json:"state"`
	Link        bool       `json:"link,omitempty"` // of a COPY or ADD --link
	Name        string     `json:"-"`              // BuildKit's
	Op          Digest     `json:"-"`
	Step        bool       `json:"-"` // something that a build can execute
}

// Runs tells whether a build executes the layer.
func (l LayerPlan) Runs() bool { return l.Step && l.State == Invalidated }

// WaitsOnly tells whether an image is rebuilt only because a parent is: when
// all of its parents come out the same, it is kept (cutoff).
func (p *ImagePlan) WaitsOnly() bool {
	return p.Action == Rebuild && p.Err == nil && !slices.ContainsFunc(p.Reasons, func(r Reason) bool { return r.Kind != ReasonParent })
}

// Predicted counts the steps that a build of the image will execute.
func (p *ImagePlan) Predicted() int {
	n := 0
	for _, l := range p.Layers {
		if l.Runs() {
			n++
		}
	}
	return n
}

// Image gives the decision on an image, nil when the catalog has no such image.
func (p *Plan) Image(name string) *ImagePlan {
	for i := range p.Images {
		if p.Images[i].Name == name {
			return &p.Images[i]
		}
	}
	return nil
}

// LayerNamed is the layer that BuildKit gives a name, nil when there is none; so it is of
// no image.
func (p *ImagePlan) LayerNamed(name string) *LayerPlan {
	if p == nil {
		return nil
	}
	for i := range p.Layers {
		if p.Layers[i].Name == name {
			return &p.Layers[i]
		}
	}
	return nil
}

// PhaseOf is the phase in which an image is rebuilt, "" when it is not.
func (p *Plan) PhaseOf(image string) string {
	for _, ph := range p.Phases {
		if slices.Contains(ph.Images, image) {
			return ph.Name
		}
	}
	return ""
}

// Facts are what only the engine, the records and the user know about images.
type Facts struct {
	Missing map[string]Missing // image -> what the engine lacks of it
	Failed  map[string]bool    // its last build failed, on these very inputs
	Moved   map[string]string  // image -> a parent that is no longer what it was built on
	Forced  map[string]bool    // the user asks for it
	NoCache bool               // what is built runs every layer
}

// Inputs are what a plan is made of.
type Inputs struct {
	Baseline, Target         *Snapshot
	BaselineSide, TargetSide Side
	Facts                    Facts
	Selected                 []string // images asked for; their parents come with them
	// TargetFiles is the tree of the target, to tell a change of an ignore file from a
	// change of files.
	TargetFiles Files
	// Files gives the files behind a read of the baseline when its states do not hold
	// them; nil when they are lost.
	Files func(StateRead) []File
}

// Make compares the baseline with the target. Changes reach every image of the
// catalog, but only selected images and their parents are rebuilt. An error is
// a phase against the dependencies, or the context's.
func Make(ctx context.Context, in Inputs) (*Plan, error) {
	phases, phaseOf, err := Phases(in.Target)
	if err != nil {
		return nil, err
	}
	c := newComparison(in)
	selected := withParents(in.Target, in.Selected)
	p := &Plan{
		Version:  1,
		Baseline: in.BaselineSide,
		Target:   in.TargetSide,
		Changes:  []Change{},
		Phases:   []Phase{},
		Images:   []ImagePlan{},
		Warnings: slices.Clone(in.Target.Catalog.Warnings),
	}
	for _, name := range in.Target.Catalog.Names() {
		ip := c.image(ctx, name)
		ip.Phase = phaseOf[name]
		ip.Selected = selected[name]
		p.Images = append(p.Images, ip)
	}
	for _, name := range in.Baseline.Catalog.Names() {
		if in.Target.States[name] == nil && !slices.Contains(in.Target.Catalog.LeftOut, name) {
			p.Removed = append(p.Removed, name)
		}
	}
	p.Changes = c.changes()
	p.Phases = rebuiltPhases(p, phases)
	p.warn(in.Target)
	return p, ctx.Err()
}

// withParents is the set of images that building the named ones involves.
func withParents(s *Snapshot, names []string) map[string]bool {
	set := map[string]bool{}
	for _, n := range names {
		set[n] = true
	}
	for _, n := range slices.Backward(s.Order) {
		if set[n] {
			for _, p := range s.ParentsOf(n) {
				set[p] = true
			}
		}
	}
	return set
}

func rebuiltPhases(p *Plan, phases []Phase) []Phase {
	out := []Phase{}
	for i, ph := range phases {
		ph.Images = nil
		for _, im := range p.Images {
			if im.Phase == i && im.Action == Rebuild && im.Selected {
				ph.Images = append(ph.Images, im.Name)
			}
		}
		if len(ph.Images) > 0 {
			out = append(out, ph)
		}
	}
	return out
}

// warn adds what a user should know though no decision hangs on it.
func (p *Plan) warn(target *Snapshot) {
	p.warnOfGit(target)
	seen := map[[2]Digest]string{}
	for _, im := range p.Images {
		st := target.States[im.Name]
		p.Warnings = append(p.Warnings, st.Warnings...)
		if st.Err != nil {
			if im.Action == Keep && im.Selected {
				p.Warnings = append(p.Warnings, fmt.Sprintf("image %s cannot be built, as before: %s%s", im.Name, st.Err, cure(st.Err)))
			}
			continue
		}
		id := [2]Digest{st.Output, st.Config}
		if first, ok := seen[id]; ok && !slices.Equal(target.States[first].Tags, st.Tags) {
			p.Warnings = append(p.Warnings, fmt.Sprintf("images %s and %s have identical inputs: they are one image under two names", first, im.Name))
			continue
		}
		seen[id] = im.Name
	}
}

func cure(f *Fault) string {
	if f.Hint == "" {
		return ""
	}
	return " (" + f.Hint + ")"
}

// Totals counts the selected images of a plan.
type Totals struct {
	Rebuild   int `json:"rebuild"`
	Keep      int `json:"keep"`
	UpToDate  int `json:"up_to_date"` // of those to keep: judged, and nothing hinders a build
	Broken    int `json:"broken"`     // of all: cannot be built, whether judged or not
	NotJudged int `json:"not_judged"` // of all: whether they can be built or not
}

// Totals counts the selected images.
func (p *Plan) Totals() Totals {
	var t Totals
	for _, im := range p.Images {
		if !im.Selected {
			continue
		}
		if im.Action == Rebuild {
			t.Rebuild++
		} else {
			t.Keep++
		}
		if im.Err != nil {
			t.Broken++
		}
		if !im.Judged {
			t.NotJudged++
		}
		if im.Action == Keep && im.Err == nil && im.Judged {
			t.UpToDate++
		}
	}
	return t
}

// Broken lists the selected images that a plan would rebuild but that
// cannot be built.
func (p *Plan) Broken() []*ImagePlan {
	var broken []*ImagePlan
	for i, im := range p.Images {
		if im.Selected && im.Action == Rebuild && im.Err != nil {
			broken = append(broken, &p.Images[i])
		}
	}
	return broken
}

// Rebuilds lists the selected images that the plan rebuilds, in phase order.
func (p *Plan) Rebuilds() []string {
	var names []string
	for _, ph := range p.Phases {
		names = append(names, ph.Images...)
	}
	return names
}

func changedArgs(a, b map[string]string) []string {
	var names []string
	for k, v := range b {
		if old, ok := a[k]; !ok || old != v {
			names = append(names, k)
		}
	}
	for k := range a {
		if _, ok := b[k]; !ok {
			names = append(names, k)
		}
	}
	slices.SortFunc(names, strings.Compare)
	return names
}
