package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rebuild/docker"
	"rebuild/hooks"
	"rebuild/impact"
	"rebuild/impact/catalog"
	"rebuild/impact/llb"
	"rebuild/impact/tree"
)

// planning is a plan with what it was made of, for a run to go on with.
type planning struct {
	plan    *impact.Plan
	memory  *memory
	records map[string]*docker.Record
	made    time.Time // before the engine was asked and the records were read
	tree    tree.Tree
	target  *impact.Snapshot // at the view of the plan
	states  *impact.Snapshot // at the view of records; nil until it is needed
	scanner impact.Scanner
	asked   []string // the images that were asked for
	view    tree.View
	save    func() error // keeps the stat cache
}

// newPlanning makes the plan that the flags ask for. With live the engine is
// asked which images are there; without, nothing is asked of it that is known.
func (w *workspace) newPlanning(ctx context.Context, args []string, m *memory, live bool) (*planning, error) {
	p := &planning{memory: m, view: tree.Bytes, save: func() error { return nil }}
	p.scanner = w.scanner(m, live)
	if w.flags.since != "" {
		p.view = tree.Git
	}
	w.compareAnew()
	base := w.openBaseline(ctx, p.view)
	targetSide, err := w.targetTree(ctx, p)
	if err != nil {
		return nil, err
	}
	cat, err := w.catalog(ctx, p.tree, false)
	if err != nil {
		return nil, err
	}
	if p.target, err = p.scanner.Scan(ctx, cat, p.tree); err != nil {
		return nil, w.definitionFault(err, cat)
	}
	var warnings []string
	p.made = m.began
	p.records, warnings = m.records.LoadAll(cat.Names())
	w.warnAll(warnings)

	in := impact.Inputs{Target: p.target, TargetSide: targetSide, TargetFiles: p.tree, Files: m.records.Files}
	if in.Baseline, in.BaselineSide, err = w.baseline(ctx, p, base); err != nil {
		return nil, err
	}
	phases, _, err := impact.Phases(p.target)
	if err != nil {
		return nil, w.definitionFault(err, cat)
	}
	if in.Selected, err = w.choose(cat, phases, args); err != nil {
		return nil, err
	}
	p.asked = in.Selected
	if err := p.makePlan(ctx, w, in, live); err != nil {
		return nil, err
	}
	p.estimate(p.records, w.flags.parallel)
	return p, nil
}

func (w *workspace) warnAll(warnings []string) {
	for _, s := range warnings {
		w.voice.warn("%s", s)
	}
}

// definitionFault gives an error about the definitions the file that they stand
// in.
func (w *workspace) definitionFault(err error, cat impact.Catalog) error {
	var fault *impact.Fault
	var cycle *impact.Cycle
	switch {
	case len(cat.Files) == 0:
		return err
	case errors.As(err, &fault) && fault.Path == "":
		return &impact.Fault{Path: cat.Files[0], Cause: fault.Cause, Hint: fault.Hint}
	case errors.As(err, &cycle):
		im, _ := cat.Image(cycle.Images[0])
		return &impact.Fault{Path: cat.Files[0], Cause: cycle.Error(), Hint: "take one of these out of the circle, starting with the FROM lines of " + im.Dockerfile}
	}
	return err
}

// targetTree opens the side that is planned.
func (w *workspace) targetTree(ctx context.Context, p *planning) (impact.Side, error) {
	if w.flags.at == "" {
		wt, err := w.worktree(ctx, p.view)
		if err != nil {
			return impact.Side{}, err
		}
		p.tree, p.save = wt, wt.Save
		return wt.Side(), nil
	}
	t, err := w.commit(ctx, w.flags.at, p.view)
	if err != nil {
		return impact.Side{}, err
	}
	p.tree = t
	return t.Side(), nil
}

// commitBaseline is a commit that a plan compares with.
type commitBaseline struct {
	side  impact.Side
	tree  tree.Tree // nil: nothing is there
	cat   impact.Catalog
	empty error // why its definition gives no images
}

// openBaseline begins to look for the commit that --since means, and gives what
// waits for it: git takes as long for that as the target's own tree does. Without
// --since there is none to wait for.
func (w *workspace) openBaseline(ctx context.Context, view tree.View) func() (*commitBaseline, error) {
	if w.flags.since == "" {
		return nil
	}
	var (
		b    *commitBaseline
		err  error
		done = make(chan struct{})
	)
	go func() {
		defer close(done)
		b, err = w.findBaseline(ctx, view)
	}()
	return func() (*commitBaseline, error) {
		<-done
		return b, err
	}
}

func (w *workspace) findBaseline(ctx context.Context, view tree.View) (*commitBaseline, error) {
	head := w.flags.at
	if head == "" {
		head = "HEAD"
	}
	if w.flags.exact && hooks.IsZero(w.flags.since) {
		return &commitBaseline{side: impact.Side{Kind: impact.SideNothing}}, nil
	}
	base := w.flags.since
	if !w.flags.exact {
		var err error
		if base, err = w.repo.MergeBase(ctx, base, head); err != nil {
			return nil, err
		}
	}
	var err error
	b := &commitBaseline{side: impact.Side{Kind: impact.SideCommit, Rev: w.flags.since, Commit: base}}
	if b.tree, err = w.commit(ctx, base, view); err != nil {
		return nil, err
	}
	b.cat, err = w.catalog(ctx, b.tree, false)
	var fault *impact.Fault
	if errors.As(err, &fault) || errors.Is(err, catalog.ErrNoDefinition) {
		b.empty, err = fmt.Errorf("the definition at %.12s cannot be read: %w", base, err), nil
	}
	return b, err
}

// baseline is the other side of the plan: a commit, or the records.
func (w *workspace) baseline(ctx context.Context, p *planning, commit func() (*commitBaseline, error)) (*impact.Snapshot, impact.Side, error) {
	if commit == nil {
		return recorded(p.records), impact.Side{Kind: impact.SideRecords}, nil
	}
	b, err := commit()
	if err != nil {
		return nil, impact.Side{}, err
	}
	if b.tree == nil {
		return &impact.Snapshot{States: map[string]*impact.State{}}, b.side, nil
	}
	if b.empty == nil {
		snap, err := p.scanner.Scan(ctx, b.cat, b.tree)
		var cycle *impact.Cycle
		if !errors.As(err, &cycle) {
			return snap, b.side, err
		}
		b.empty = fmt.Errorf("at %.12s there is a %w", b.side.Commit, err)
	}
	w.voice.warn("all images count as new: %v", b.empty)
	return &impact.Snapshot{States: map[string]*impact.State{}}, b.side, nil
}

// recorded is the snapshot that the last builds saw.
func recorded(records map[string]*docker.Record) *impact.Snapshot {
	s := &impact.Snapshot{States: map[string]*impact.State{}}
	for _, name := range slices.Sorted(maps.Keys(records)) {
		if rec := records[name]; rec.State != nil && rec.ImageID != "" {
			s.States[name] = rec.State
			s.Catalog.Images = append(s.Catalog.Images, impact.Image{Name: name})
		}
	}
	return s
}

// makePlan compares, with the facts that the engine and the records tell. Against
// a commit only the parents of what is rebuilt must be there, so that is asked
// until no further one is amiss.
func (p *planning) makePlan(ctx context.Context, w *workspace, in impact.Inputs, live bool) error {
	in.Facts = impact.Facts{Missing: map[string]impact.Missing{}, Failed: map[string]bool{}, Moved: map[string]string{}, Forced: map[string]bool{}}
	in.Facts.NoCache = w.flags.noCache
	againstRecords := in.BaselineSide.Kind == impact.SideRecords
	if w.flags.noCache || w.flags.pull {
		for _, name := range in.Selected {
			in.Facts.Forced[name] = true
		}
	}
	var held docker.Images
	if live {
		var err error
		if held, err = p.memory.held(); err != nil {
			return err
		}
	}
	if againstRecords {
		for name, rec := range p.records {
			if live {
				if what, ok := amiss(p.target.Catalog, name, rec, held); ok {
					in.Facts.Missing[name] = what
				}
			}
			if st := p.target.States[name]; rec.Failed && st != nil && rec.FailedState == docker.StateDigest(st) {
				in.Facts.Failed[name] = true
			}
			if parent := moved(rec, p.records); parent != "" {
				in.Facts.Moved[name] = parent
			}
		}
	}
	for {
		plan, err := impact.Make(ctx, in)
		if err != nil {
			return err
		}
		p.plan = plan
		if againstRecords || !live || len(plan.Rebuilds()) == 0 {
			return nil
		}
		states, err := w.byteStates(ctx, p)
		if err != nil {
			return err
		}
		if !p.needParents(in.Facts.Missing, states, held) {
			return nil
		}
	}
}

// needParents notes the parents of images to rebuild that the engine lacks, or
// that it has as another tree left them.
func (p *planning) needParents(missing map[string]impact.Missing, states *impact.Snapshot, held docker.Images) bool {
	found := false
	for _, name := range p.plan.Rebuilds() {
		for _, parent := range p.target.ParentsOf(name) {
			im, _ := p.target.Catalog.Image(parent)
			if _, known := missing[parent]; known || p.plan.Image(parent).Action == impact.Rebuild {
				continue
			}
			var what impact.Missing
			lacks := false
			if ref := absent(im, held); ref != "" {
				what, lacks = impact.Missing{Kind: impact.TagAbsent, Ref: ref}, true
			} else if rec := p.records[parent]; rec != nil {
				if what, lacks = amiss(p.target.Catalog, parent, rec, held); !lacks && !builtFrom(rec, states.States[parent]) {
					what, lacks = impact.Missing{Kind: impact.OtherFiles}, true
				}
			}
			if lacks {
				missing[parent] = what
				found = true
			}
		}
	}
	return found
}

// builtFrom tells whether the image of a record was built from a state.
func builtFrom(rec *docker.Record, st *impact.State) bool {
	return rec.State != nil && docker.StateDigest(rec.State) == docker.StateDigest(st)
}

func absent(im impact.Image, held docker.Images) string {
	if !held.Known() {
		return ""
	}
	for _, ref := range im.Refs {
		if held.ID(ref) == "" {
			return ref
		}
	}
	return ""
}

// amiss says what the engine lacks of what a record promises; ok is false when
// nothing is lacking.
func amiss(cat impact.Catalog, name string, rec *docker.Record, held docker.Images) (what impact.Missing, ok bool) {
	im, known := cat.Image(name)
	if !known || rec.ImageID == "" || !held.Known() {
		return impact.Missing{}, false
	}
	if !held.Has(rec.ImageID) {
		return impact.Missing{Kind: impact.ImageGone}, true
	}
	for _, ref := range im.Refs {
		switch id := held.ID(ref); {
		case id == "":
			return impact.Missing{Kind: impact.TagGone, Ref: ref}, true
		case id != rec.ImageID:
			return impact.Missing{Kind: impact.TagMoved, Ref: ref}, true
		}
	}
	return impact.Missing{}, false
}

// moved finds a parent that is no longer what an image was built on.
func moved(rec *docker.Record, records map[string]*docker.Record) string {
	if rec.State == nil {
		return ""
	}
	for _, parent := range rec.State.Parents {
		if pr := records[parent.Image]; pr != nil && pr.ImageID != "" && pr.OutputFor(parent) != rec.Parents[parent.Image] {
			return parent.Image
		}
	}
	return ""
}

// left says what only an engine could have told, "" when nothing was left out.
func (p *planning) left() string {
	p.memory.mu.Lock()
	defer p.memory.mu.Unlock()
	if len(p.memory.assumed) == 0 {
		return ""
	}
	slices.Sort(p.memory.assumed)
	return fmt.Sprintf("no engine was there to ask for the configs of external base images, so they are taken to set nothing: %s", strings.Join(slices.Compact(p.memory.assumed), ", "))
}

// scanner reads the states of images, with what is known of bases outside.
func (w *workspace) scanner(m *memory, live bool) impact.Scanner {
	return impact.Scanner{Convert: w.convert, WithKey: llb.BaseConfig, External: m.external(live)}
}
