package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/client"

	"rebuild/impact"
)

// CauseKind sorts the likely causes of misses.
type CauseKind string

// The likely causes of a miss.
const (
	CauseCache   CauseKind = "cache"   // the engine dropped what it had: no fault of the plan
	CauseBase    CauseKind = "base"    // an external base is not what the plan took it for
	CauseUnknown CauseKind = "unknown" // to be reported
)

const causeUnknown = "not known: please report it, with rebuild audit --format json"

// Faults are the misses that the engine's cache does not explain although the plan
// was unsound.
func (a *Audit) Faults() []Miss {
	var list []Miss
	for _, m := range a.Misses {
		if m.Kind == Unsound && m.CauseKind != CauseCache {
			list = append(list, m)
		}
	}
	return list
}

// audit holds the run against its plan, and keeps what comes of it. The engine is
// asked only about a layer that ran although it was foretold to be cached.
func (x *execution) audit(ctx context.Context) {
	version := ""
	if x.fatal == nil && slices.ContainsFunc(x.report.Outcomes, func(o Outcome) bool { return o.Result != nil }) {
		version, _ = x.Engine.Version(ctx) // known since the first build
	}
	a := x.compare(version)
	if a == nil {
		return
	}
	a.Ended, a.Engine = time.Now(), version
	if a.Layers.Unsound > 0 && x.fatal == nil {
		x.evidence(ctx).explain(a.Misses)
	}
	x.report.Audit = a
	if x.AuditLog == nil {
		return
	}
	if err := x.AuditLog.Append(a); err != nil {
		x.report.Warnings = append(x.report.Warnings, err.Error())
	}
}

// compare holds the builds of each of the run's plans against that plan: a later one
// knows what the builds of those before it left. It is nil when no build was begun.
func (x *execution) compare(version string) *Audit {
	var (
		whole  *Audit
		before = maps.Clone(x.before)
		seen   = map[string]bool{}
	)
	known := func(keys map[string]bool) map[string]bool {
		past := x.AuditLog.known(keys)
		for key := range keys {
			if seen[key] {
				past[key] = true
			}
		}
		return past
	}
	for _, outcomes := range byPlan(x.report.Outcomes) {
		c := &comparison{
			outcomes: outcomes, before: before, vouching: x.Vouching, killed: x.Journal.killed,
			copiesLink: copiesLink(version), known: known,
		}
		a := c.audit()
		if a == nil {
			continue
		}
		for _, key := range a.Keys {
			seen[key] = true
		}
		for _, o := range outcomes {
			if o.record != nil {
				before[o.Image] = o.record
			}
		}
		if whole == nil {
			whole = a
		} else {
			whole.Add(a)
		}
	}
	return whole
}

// byPlan parts outcomes by the plans that their builds belong to, in order. Those
// without a build go with the plan before.
func byPlan(outcomes []Outcome) [][]Outcome {
	var (
		parts [][]Outcome
		at    = map[*impact.Plan]int{}
		last  int
	)
	for _, o := range outcomes {
		if o.build != nil {
			i, ok := at[o.build.work.Plan]
			if !ok {
				i = len(at)
				at[o.build.work.Plan] = i
			}
			last = i
		}
		for len(parts) <= last {
			parts = append(parts, nil)
		}
		parts[last] = append(parts[last], o)
	}
	return parts
}

// firstWithMerge is the first engine (Docker's major version) whose BuildKit merges
// COPY --link instead of copying.
const firstWithMerge = 23

// copiesLink tells it from an engine's version; one that tells none is a builder,
// and new enough.
func copiesLink(version string) bool {
	major, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(major)
	return err == nil && n < firstWithMerge
}

// evidence is what the engine says when it is asked for the cause of a miss.
type evidence struct {
	begun time.Time // of the run
	asked bool      // the cache's records are all there
	cache []*client.UsageInfo
	now   Images // after the run
}

// evidenceTime bounds the asking, also after an interruption: an engine that is busy
// leaves the cause open.
const evidenceTime = 10 * time.Second

func (x *execution) evidence(ctx context.Context) *evidence {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), evidenceTime)
	defer cancel()
	e := &evidence{begun: x.begun}
	// What cannot be asked is no evidence.
	e.now, _ = x.Engine.Images(ctx)
	if l, err := x.Engine.dialBuildKit(ctx); err == nil {
		e.cache, err = l.DiskUsage(ctx)
		e.asked = err == nil
		_ = l.Close() // it has told all
	}
	return e
}

// explain gives the unsound misses their likely causes. When one layer is known to
// have been evicted, the others whose steps are on record were too.
func (e *evidence) explain(misses []Miss) {
	evicted := false
	for _, m := range misses {
		evicted = evicted || m.Kind == Unsound && e.evicted(m)
	}
	for i := range misses {
		m := &misses[i]
		if m.Kind != Unsound {
			continue
		}
		base := e.moved(m.witness)
		switch {
		case e.pruned(m.witness.since), e.evicted(*m), evicted && base == "" && m.witness.sameStep:
			m.CauseKind = CauseCache
			m.Cause = "the engine's build cache was pruned since " + m.witness.since.Local().Format(time.DateTime)
		case base != "":
			m.CauseKind, m.Cause = CauseBase, base
		}
	}
}

// pruned tells whether nothing is left of the cache as it was at a time. What an
// image holds is no sign: a prune without "all" leaves it. So this must be asked before
// the sweep, which leaves the layers of superseded images to the cache alone.
func (e *evidence) pruned(since time.Time) bool {
	if !e.asked || since.IsZero() {
		return false
	}
	for _, r := range e.cache {
		if !r.Shared && r.CreatedAt.Before(since) {
			return false
		}
	}
	return true
}

// evicted tells whether a command's old result is gone. BuildKit names results by
// the command (solver/llbsolver/ops/exec.go), so the step that just ran shows which
// name to look for; a step that no record holds says nothing.
func (e *evidence) evicted(m Miss) bool {
	command := commandOf(m.Instruction)
	if !e.asked || !m.witness.sameStep || command == "" {
		return false
	}
	name := ""
	for _, r := range e.cache {
		if !r.CreatedAt.Before(e.begun) && strings.HasSuffix(oneSpaced(r.Description), " "+command) {
			name = r.Description
		}
	}
	if name == "" {
		return false
	}
	for _, r := range e.cache {
		if r.Description == name && r.CreatedAt.Before(e.begun) {
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

// moved names a base that is not what the plan took it for, "" when there is none.
func (e *evidence) moved(w witness) string {
	for _, base := range w.bases {
		switch {
		case !base.Known:
			return fmt.Sprintf("the external base %s is not in the engine's store: it may have moved", base.Ref)
		case w.pulled:
			return fmt.Sprintf("the external base %s was asked for in its registry: it may have moved", base.Ref)
		case w.held.Known() && e.now.Known() && w.held.ID(base.Ref) != e.now.ID(base.Ref):
			return fmt.Sprintf("the external base %s moved between the plan and the build", base.Ref)
		}
	}
	return ""
}
