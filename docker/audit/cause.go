package audit

import (
	"strings"
	"time"
)

// Evidence is what the engine says when it is asked for the cause of a miss.
type Evidence struct {
	Begun time.Time    // of the run
	Cache []CacheEntry // what the build cache holds
	Asked bool         // Cache is there

	// BaseIDs are the ids of images after the run, by reference; nil when the engine
	// cannot say.
	BaseIDs func(ref string) string
}

// CacheEntry is one result in an engine's build cache.
type CacheEntry struct {
	Description string // "mount / from exec /bin/sh -c make"
	Created     time.Time
	Shared      bool // an image holds it too
}

// Explain gives the unsound misses their likely causes. When one layer is known to
// have been evicted, the others whose steps are on record were too.
func (a *Audit) Explain(e Evidence) {
	evicted := false
	for _, m := range a.Misses {
		evicted = evicted || m.Kind == Unsound && e.evicted(m)
	}
	for i := range a.Misses {
		m := &a.Misses[i]
		if m.Kind != Unsound {
			continue
		}
		base := e.moved(m.known)
		switch {
		case e.pruned(m.known.since), e.evicted(*m), evicted && base == nil && m.known.sameStep:
			since := m.known.since
			m.Cause = Cause{Kind: CauseCachePruned, Since: &since}
		case base != nil:
			m.Cause = *base
		}
	}
}

// pruned tells whether nothing is left of the cache as it was at a time. What an
// image holds is no sign: a prune without "all" leaves it. So this must be asked before
// the sweep, which leaves the layers of superseded images to the cache alone.
func (e Evidence) pruned(since time.Time) bool {
	if !e.Asked || since.IsZero() {
		return false
	}
	for _, r := range e.Cache {
		if !r.Shared && r.Created.Before(since) {
			return false
		}
	}
	return true
}

// evicted tells whether a command's old result is gone. BuildKit names results by
// the command (solver/llbsolver/ops/exec.go), so the step that just ran shows which
// name to look for; a step that no record holds says nothing.
func (e Evidence) evicted(m Miss) bool {
	command := commandOf(m.Instruction)
	if !e.Asked || !m.known.sameStep || command == "" {
		return false
	}
	name := ""
	for _, r := range e.Cache {
		if !r.Created.Before(e.Begun) && strings.HasSuffix(oneSpaced(r.Description), " "+command) {
			name = r.Description
		}
	}
	if name == "" {
		return false
	}
	for _, r := range e.Cache {
		if r.Description == name && r.Created.Before(e.Begun) {
			return false
		}
	}
	return true
}

// commandOf is what a RUN hands to its shell, "" for another instruction, or one
// whose command cannot be told from its text.
func commandOf(instruction string) string {
	word, rest, _ := strings.Cut(oneSpaced(instruction), " ")
	if !strings.EqualFold(word, "run") || strings.ContainsAny(rest, "\\") || strings.HasPrefix(rest, "[") || strings.Contains(rest, "<<") {
		return ""
	}
	for strings.HasPrefix(rest, "--") {
		_, rest, _ = strings.Cut(rest, " ")
	}
	return rest
}

func oneSpaced(s string) string { return strings.Join(strings.Fields(s), " ") }

// moved finds a base that is not what the plan took it for, nil when there is none.
func (e Evidence) moved(v vouched) *Cause {
	for _, base := range v.bases {
		switch {
		case !base.Known:
			return &Cause{Kind: CauseBaseUnseen, Base: base.Ref}
		case v.pulled:
			return &Cause{Kind: CauseBaseAsked, Base: base.Ref}
		case v.baseIDs != nil && e.BaseIDs != nil && v.baseIDs[base.Ref] != e.BaseIDs(base.Ref):
			return &Cause{Kind: CauseBaseMoved, Base: base.Ref}
		}
	}
	return nil
}
