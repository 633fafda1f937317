package session

import (
	"context"
	"os"
	"slices"
	"time"

	"rebuild/hooks"
)

// settledFor is how long a file must not have been written to before the session began
// for its content to be the one that a plan read.
const settledFor = time.Second

// Trace is what the last plan between two commits read, for the next push to be held
// against; ok is false when something has a part in it that is no file.
func (s *Session) Trace(ctx context.Context, p *Planned) (t *hooks.Trace, ok bool) {
	t = &hooks.Trace{Commit: p.tree.Side().Commit, Conversions: hooks.Conversions(ctx, s.Root)}
	if !s.reads.addTo(t) || t.Conversions == "" || s.Repo.MayReplace() {
		return nil, false
	}
	bases, ok := s.engine.baseFiles()
	if !ok {
		return nil, false
	}
	for _, file := range append(s.Repo.AttributeFiles(), bases...) {
		fi, err := os.Stat(file)
		if err == nil && fi.ModTime().After(s.engine.asOf().Add(-settledFor)) {
			return nil, false
		}
		stamp, err := hooks.StampOf(file)
		if err != nil {
			return nil, false
		}
		t.Beside = append(t.Beside, stamp)
	}
	return t, true
}

// addTo adds what both sides of the plan were asked for.
func (r *reads) addTo(t *hooks.Trace) (ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.outside {
		return false
	}
	for _, c := range r.commits {
		l, ok := c.Reads()
		if !ok {
			return false
		}
		t.Folders = append(t.Folders, l.Folders...)
		t.Whole = append(t.Whole, l.Whole...)
		t.Files = append(t.Files, l.Files...)
	}
	for _, list := range []*[]string{&t.Folders, &t.Whole, &t.Files} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return len(r.commits) > 0
}
