package session

import (
	"context"
	"slices"

	"rebuild/docker"
	"rebuild/docker/record"
	"rebuild/impact"
)

// decide compares, with the facts that the engine and the records tell. Against a commit
// only the parents of what is rebuilt must be there, so that is asked until no further
// one is missing.
func (s *Session) decide(ctx context.Context, p *Planned, in impact.Inputs, ask bool) error {
	q := p.query
	in.Facts = impact.Facts{Missing: map[string]impact.Missing{}, Failed: map[string]bool{}, Moved: map[string]string{}, Forced: map[string]bool{}}
	in.Facts.NoCache = q.NoCache
	if q.NoCache || q.Pull {
		for _, name := range in.Selected {
			in.Facts.Forced[name] = true
		}
	}
	var images docker.Images // of none it is not known what it holds
	if ask {
		var err error
		if images, err = s.engine.images(ctx); err != nil {
			return err
		}
	}
	if q.againstRecords() {
		s.engine.recordFacts(ctx, p, &in.Facts, images)
	}
	for {
		plan, err := impact.Make(ctx, in)
		if err != nil {
			return err
		}
		p.Plan = plan
		if q.againstRecords() || !ask || len(plan.Rebuilds()) == 0 {
			return nil
		}
		states, err := s.byteStates(ctx, p)
		if err != nil {
			return err
		}
		if !s.engine.needParents(ctx, p, in.Facts.Missing, states, images) {
			return nil
		}
	}
}

// recordFacts adds what the records tell beside the states in them.
func (e *engine) recordFacts(ctx context.Context, p *Planned, facts *impact.Facts, images docker.Images) {
	for name, rec := range p.Records {
		if what, lacks := e.missing(ctx, p.Target, name, rec, images); lacks {
			facts.Missing[name] = what
		}
		if st := p.Target.States[name]; rec.Failed && st != nil && rec.FailedState == record.StateDigest(st) {
			facts.Failed[name] = true
		}
		if parent := moved(rec, p.Records); parent != "" {
			facts.Moved[name] = parent
		}
	}
}

// needParents notes the parents of images to rebuild that the engine lacks, or
// that it has as another tree left them.
func (e *engine) needParents(ctx context.Context, p *Planned, lacking map[string]impact.Missing, states *impact.Snapshot, images docker.Images) bool {
	found := false
	for _, name := range p.Plan.Rebuilds() {
		for _, parent := range p.Target.ParentsOf(name) {
			im, _ := p.Target.Catalog.Image(parent)
			if _, known := lacking[parent]; known || p.Plan.Image(parent).Action == impact.Rebuild {
				continue
			}
			var what impact.Missing
			lacks := false
			if ref := absent(im, images); ref != "" {
				what, lacks = impact.Missing{Kind: impact.TagAbsent, Ref: ref}, true
			} else if rec := p.Records[parent]; rec != nil {
				if what, lacks = e.missing(ctx, p.Target, parent, rec, images); !lacks && !rec.IsOf(states.States[parent]) {
					what, lacks = impact.Missing{Kind: impact.OtherFiles}, true
				}
			}
			if lacks {
				lacking[parent] = what
				found = true
			}
		}
	}
	return found
}

// absent is a reference of an image that the engine does not have, "" when it has all.
func absent(im impact.Image, images docker.Images) string {
	if !images.Known() {
		return ""
	}
	for _, ref := range im.Refs {
		if images.ID(ref) == "" {
			return ref
		}
	}
	return ""
}

// missing says what the engine lacks of what a record promises; lacks is false when it is
// nothing. An image of the same content that another tool built and tagged is as good.
func (e *engine) missing(ctx context.Context, target *impact.Snapshot, name string, rec *record.Record, images docker.Images) (what impact.Missing, lacks bool) {
	im, known := target.Catalog.Image(name)
	if !known || rec.ImageID == "" || !images.Known() {
		return impact.Missing{}, false
	}
	for _, ref := range promised(target, im, rec) {
		switch id := images.ID(ref); {
		case id == rec.ImageID || id != "" && e.isSame(ctx, rec, id):
			continue
		case !images.Has(rec.ImageID):
			return impact.Missing{Kind: impact.ImageGone}, true
		case id == "":
			return impact.Missing{Kind: impact.TagGone, Ref: ref}, true
		default:
			return impact.Missing{Kind: impact.TagMoved, Ref: ref}, true
		}
	}
	return impact.Missing{}, false
}

// promised are the references under which an image is to be there. Those that hold a time
// are what its build made of them, as long as nothing reads the one of now.
func promised(target *impact.Snapshot, im impact.Image, rec *record.Record) []string {
	same := rec.State != nil && slices.Equal(rec.State.Tags, im.Tags) && len(rec.Refs) == len(im.Refs)
	if same && !slices.Equal(rec.Refs, im.Refs) && len(target.DependentsOf(im.Name)) == 0 {
		return rec.Refs
	}
	return im.Refs
}

// isSame tells whether an image has the content of the one that a record is about. What
// cannot be asked is not.
func (e *engine) isSame(ctx context.Context, rec *record.Record, id string) bool {
	if rec.Shown == "" {
		return false
	}
	e.mu.Lock()
	im, asked := e.shown[id]
	e.mu.Unlock()
	if !asked {
		var err error
		if im, err = e.conn.Inspect(ctx, id); err != nil {
			return false
		}
		e.mu.Lock()
		e.shown[id] = im
		e.mu.Unlock()
	}
	return im.Shown(rec.Timed) == rec.Shown
}

// moved finds a parent that is no longer what an image was built on.
func moved(rec *record.Record, records map[string]*record.Record) string {
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
