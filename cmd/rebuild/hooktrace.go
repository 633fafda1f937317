package main

import (
	"context"
	"os"
	"slices"
	"time"

	"rebuild/docker"
	"rebuild/hooks"
)

// settled is how long a file must not have been written to before the program began
// for its content to be the one that a plan read.
const settled = time.Second

// keepTrace writes what a plan looked at, for the next push to be held against; not
// when something has a part in it that is no file.
func (h *prePush) keepTrace(ctx context.Context, p *planning) {
	if h.trace == "" {
		return
	}
	t, ok := h.traceOf(ctx, p)
	if !ok {
		return
	}
	if err := t.Write(h.trace); err != nil {
		h.voice.warn("what the check looked at is not kept, so the next push takes longer: %v", err)
	}
}

func (h *prePush) traceOf(ctx context.Context, p *planning) (*hooks.Trace, bool) {
	t := &hooks.Trace{Commit: p.tree.Side().Commit, Conversions: hooks.Conversions(ctx, h.w.root)}
	if ok := lookedIn(h.w, t); !ok || t.Conversions == "" || h.w.repo.MayReplace() {
		return nil, false
	}
	beside := h.w.repo.AttributeFiles()
	bases, ok := h.m.seenBases()
	if !ok {
		return nil, false
	}
	for _, file := range append(beside, bases...) {
		fi, err := os.Stat(file)
		if err == nil && fi.ModTime().After(h.m.began.Add(-settled)) {
			return nil, false
		}
		s, err := hooks.StampOf(file)
		if err != nil {
			return nil, false
		}
		t.Beside = append(t.Beside, s)
	}
	return t, true
}

// lookedIn adds what both sides of the plan were asked for.
func lookedIn(w *workspace, t *hooks.Trace) (ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.outside {
		return false
	}
	for _, c := range w.commits {
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
	return len(w.commits) > 0
}

// seenBases lists the files that know the external images of a plan; ok is false
// when the engine was needed, or would be.
func (m *memory) seenBases() (files []string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.bases) > 0 && docker.LastEngine(m.dir) != m.id {
		return nil, false
	}
	files = append(files, docker.LastEngineFile(m.dir))
	for ref := range m.bases {
		if _, known := m.records.Base(ref); !known {
			return nil, false
		}
		files = append(files, m.records.BaseFiles(ref)...)
	}
	slices.Sort(files)
	return slices.Compact(files), true
}
