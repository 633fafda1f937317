package audit

import (
	"slices"

	"rebuild/docker/record"
	"rebuild/impact"
)

// End is how an image came out of a run, as far as an audit cares.
type End int

// The ends of an image.
const (
	Untouched  End = iota // nothing was done, or nobody knows
	Built                 // it was built
	Kept                  // nothing was to be done
	CutOff                // its parents were rebuilt and came out the same
	Unfinished            // its build failed or was given up
)

// Outcome is what became of one image of a run.
type Outcome struct {
	Image string
	End   End
	Build *Build         // nil: none was begun
	Made  *record.Record // what the build made; nil: nothing
}

// Build is the build of one image, beside its plan.
type Build struct {
	Plan      *impact.Plan // that it is a part of
	Predicted *impact.ImagePlan
	State     *impact.State
	Old       *record.Record           // nil: none
	Parents   map[string]impact.Digest // what it takes from each parent

	// BaseIDs are the engine's ids of external bases when the plan was made, by
	// reference; nil when it could not say.
	BaseIDs map[string]string

	// What of the build's request no plan compares.
	NoCache, Pull bool
	ArgsIgnored   bool // arguments that the comparison leaves out, or that time or chance gives

	Elsewhere bool // another builder built it before, or a parent

	Edited bool   // its files were edited while it ran
	Ran    []Step // that were executed
}

// Step is a step of a build as the engine names it.
type Step struct {
	Name string // "[stage-0 2/5] RUN make"
	Line int    // in the Dockerfile; 0: of no line
}

// cameOutTheSame tells whether a build made what the record before it holds.
func (o Outcome) cameOutTheSame() bool {
	if o.Build == nil || o.Made == nil {
		return false
	}
	old := o.Build.Old
	return old != nil && old.ImageID != "" && old.Config == o.Made.Config && slices.Equal(old.Chain, o.Made.Chain)
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
		if o.Build != nil {
			i, ok := at[o.Build.Plan]
			if !ok {
				i = len(at)
				at[o.Build.Plan] = i
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
