package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"rebuild/docker/record"
	"rebuild/hooks"
	"rebuild/impact"
	"rebuild/impact/catalog"
	"rebuild/impact/llb"
	"rebuild/impact/tree"
)

// Planned is a plan with what it was made of, for a run to go on with.
type Planned struct {
	Plan   *impact.Plan
	Target *impact.Snapshot // at the view of the plan
	Asked  []string         // the images that the query asks for

	// Records are what the last builds saw and made, by image. They are not to be changed.
	Records map[string]*record.Record
	Made    time.Time // before the engine was asked and the records were read

	// Assumed are external images whose configs nobody was there to tell: they are taken
	// to set nothing.
	Assumed []string
	// Unasked says why the engine was not asked which images are there; nil when it was,
	// or need not be.
	Unasked error

	query   Query
	places  []impact.Place // that build; none: unknown, and one
	tree    tree.Tree
	states  *impact.Snapshot // at the view of records; nil until it is needed
	scanner impact.Scanner
	view    tree.View
	save    func() error
}

// Save keeps what was learnt of files, for the next plan.
func (p *Planned) Save() error { return p.save() }

// RequiredBy are the images that need one, those of optional phases apart.
func (p *Planned) RequiredBy(image string) (needed []string, optional []impact.Phase) {
	all := p.Target.DependentsOf(image)
	phases, _, err := impact.Phases(p.Target)
	if err != nil {
		return all, nil
	}
	for _, ph := range phases {
		var in []string
		for _, n := range ph.Images {
			if slices.Contains(all, n) {
				in = append(in, n)
			}
		}
		switch {
		case len(in) == 0:
		case ph.Optional:
			optional = append(optional, impact.Phase{Name: ph.Name, Images: in})
		default:
			needed = append(needed, in...)
		}
	}
	return needed, optional
}

// PlanOffline makes a plan without asking the engine which images are there.
func (s *Session) PlanOffline(ctx context.Context, q Query) (*Planned, error) {
	return s.plan(ctx, q, false)
}

// PlanOnline makes a plan by what the engine holds.
func (s *Session) PlanOnline(ctx context.Context, q Query) (*Planned, error) {
	p, err := s.plan(ctx, q, true)
	if err != nil {
		return nil, err
	}
	same, err := s.engine.confirm(ctx)
	if err == nil && !same {
		p, err = s.plan(ctx, q, true)
	}
	return p, err
}

// Plan makes a plan to look at. Against the records what the engine holds decides;
// without an engine, and against a commit, the records must do.
func (s *Session) Plan(ctx context.Context, q Query) (*Planned, error) {
	if !q.againstRecords() {
		return s.PlanOffline(ctx, q)
	}
	_, unasked := s.engine.images(ctx)
	if unasked == nil {
		return s.PlanOnline(ctx, q)
	}
	p, err := s.PlanOffline(ctx, q)
	if err == nil {
		p.Unasked = unasked
	}
	return p, err
}

func (s *Session) plan(ctx context.Context, q Query, ask bool) (*Planned, error) {
	if err := s.needGit(q); err != nil {
		return nil, err
	}
	p := &Planned{query: q, view: tree.Bytes, Made: s.engine.asOf(), scanner: s.scanner(ask)}
	p.scanner.SoundBaseline = q.againstRecords()
	if !q.againstRecords() {
		p.view = tree.Git
	}
	s.forgetCommits()
	waitBaseline := s.beginBaseline(ctx, q, p.view)
	if err := s.readTarget(ctx, p); err != nil {
		if waitBaseline != nil {
			_, _ = waitBaseline() // the error that led here counts
		}
		return nil, err
	}
	cat := p.Target.Catalog
	var warnings []string
	p.Records, warnings = s.engine.records.LoadAll(cat.Names())
	s.warnAll(warnings)

	in := impact.Inputs{Target: p.Target, TargetSide: p.tree.Side(), TargetFiles: p.tree, Files: s.engine.records.Files}
	var err error
	if in.Baseline, in.BaselineSide, err = s.baseline(ctx, p, waitBaseline); err != nil {
		return nil, err
	}
	phases, _, err := impact.Phases(p.Target)
	if err != nil {
		return nil, definitionFault(err, cat)
	}
	if in.Selected, err = choose(q, cat, phases); err != nil {
		return nil, err
	}
	p.Asked = in.Selected
	if err := s.decide(ctx, p, in, ask); err != nil {
		return nil, err
	}
	p.Assumed = s.engine.assumptions()
	if s.engine != nil {
		for _, name := range s.engine.conn.Builders() {
			p.places = append(p.places, impact.Place{Name: name, Slots: q.Slots})
		}
	}
	p.estimate(p.Records)
	return p, nil
}

// scanner reads the states of images, with what is known of bases outside.
func (s *Session) scanner(ask bool) impact.Scanner {
	return impact.Scanner{Convert: s.caches.convert, WithKey: llb.BaseConfig, External: s.engine.external(ask)}
}

// readTarget reads the side that is planned.
func (s *Session) readTarget(ctx context.Context, p *Planned) (err error) {
	if p.tree, p.save, err = s.target(ctx, p.query, p.view); err != nil {
		return err
	}
	cat, err := s.catalog(ctx, p.query, p.tree, false)
	if err != nil {
		return err
	}
	all, err := p.scanner.Scan(ctx, cat, p.tree)
	if err != nil {
		return definitionFault(err, cat)
	}
	p.Target = all.Without(named(p.query, cat))
	return nil
}

// commitBaseline is a commit that a plan compares with.
type commitBaseline struct {
	side  impact.Side
	tree  tree.Tree // nil: nothing is there
	cat   impact.Catalog
	empty error // why its definition gives no images
}

// beginBaseline begins to look for the commit that a query compares with, and gives what
// waits for it: git takes as long for that as the target's own tree does. It is nil when
// there is none to wait for.
func (s *Session) beginBaseline(ctx context.Context, q Query, view tree.View) func() (*commitBaseline, error) {
	if q.againstRecords() {
		return nil
	}
	var (
		b    *commitBaseline
		err  error
		done = make(chan struct{})
	)
	go func() {
		defer close(done)
		b, err = s.findBaseline(ctx, q, view)
	}()
	return func() (*commitBaseline, error) {
		<-done
		return b, err
	}
}

func (s *Session) findBaseline(ctx context.Context, q Query, view tree.View) (*commitBaseline, error) {
	head := q.At
	if head == "" {
		head = "HEAD"
	}
	if q.Exact && hooks.IsZero(q.Since) {
		return &commitBaseline{side: impact.Side{Kind: impact.SideNothing}}, nil
	}
	since, err := s.known(ctx, q.Since)
	if err != nil {
		return nil, err
	}
	base := since
	if !q.Exact {
		if head, err = s.known(ctx, head); err != nil {
			return nil, err
		}
		if base, err = s.Repo.MergeBase(ctx, base, head); err != nil {
			return nil, err
		}
	}
	b := &commitBaseline{side: impact.Side{Kind: impact.SideCommit, Rev: since, Commit: base}}
	if b.tree, err = s.commit(ctx, base, view); err != nil {
		return nil, err
	}
	b.cat, err = s.catalog(ctx, q, b.tree, false)
	var fault *impact.Fault
	if errors.As(err, &fault) || errors.Is(err, catalog.ErrNoDefinition) {
		b.empty, err = fmt.Errorf("the definition at %.12s cannot be read: %w", base, err), nil
	}
	return b, err
}

// baseline is the other side of the plan: a commit, or the records.
func (s *Session) baseline(ctx context.Context, p *Planned, wait func() (*commitBaseline, error)) (*impact.Snapshot, impact.Side, error) {
	if wait == nil {
		return recorded(p.Records), impact.Side{Kind: impact.SideRecords}, nil
	}
	b, err := wait()
	if err != nil {
		return nil, impact.Side{}, err
	}
	if b.tree == nil {
		return &impact.Snapshot{States: map[string]*impact.State{}}, b.side, nil
	}
	if b.empty == nil {
		snap, err := p.scanner.Scan(ctx, b.cat, b.tree)
		var cycle *impact.Cycle
		if err == nil {
			snap = snap.Without(p.Target.Catalog.Names())
		}
		if !errors.As(err, &cycle) {
			return snap, b.side, err
		}
		b.empty = fmt.Errorf("at %.12s there is a %w", b.side.Commit, err)
	}
	s.warn(fmt.Sprintf("all images count as new: %v", b.empty))
	return &impact.Snapshot{States: map[string]*impact.State{}}, b.side, nil
}

// recorded is the snapshot that the last builds saw.
func recorded(records map[string]*record.Record) *impact.Snapshot {
	s := &impact.Snapshot{States: map[string]*impact.State{}}
	for _, name := range slices.Sorted(maps.Keys(records)) {
		if rec := records[name]; rec.State != nil && rec.ImageID != "" {
			s.States[name] = rec.State
			s.Catalog.Images = append(s.Catalog.Images, impact.Image{Name: name})
		}
	}
	return s
}
