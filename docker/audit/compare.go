package audit

import (
	"maps"

	"rebuild/docker/record"
)

// Input is what an audit is made of.
type Input struct {
	Outcomes []Outcome                 // of one run, in the order in which they ended
	Before   map[string]*record.Record // as the run found them
	Vouching map[string]*record.Record // of other runs on the engine: they say which layers it has
	Killed   map[string]bool           // images whose builds a killed run left under way

	CopiesLink bool // the engine takes COPY --link for a plain copy
	Log        *Log // of earlier audits; nil: none
}

// Compare compares the builds of each of a run's plans with that plan: a later one
// knows what the builds of those before it left. It is nil when no build was begun.
func Compare(in Input) *Audit {
	var (
		whole  *Audit
		before = maps.Clone(in.Before)
		seen   = map[string]bool{}
	)
	if before == nil {
		before = map[string]*record.Record{}
	}
	earlier := func(keys map[string]bool) map[string]bool {
		past := in.Log.known(keys)
		for key := range keys {
			if seen[key] {
				past[key] = true
			}
		}
		return past
	}
	for _, outcomes := range byPlan(in.Outcomes) {
		c := &comparison{
			outcomes: outcomes, before: before, vouching: in.Vouching, killed: in.Killed,
			copiesLink: in.CopiesLink, earlier: earlier,
		}
		a := c.audit()
		if a == nil {
			continue
		}
		for _, key := range a.Keys {
			seen[key] = true
		}
		for _, o := range outcomes {
			if o.Made != nil {
				before[o.Image] = o.Made
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
