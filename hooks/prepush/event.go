package prepush

import "time"

// Event is something that a check finds: one of the types below.
type Event interface{ event() }

// OnlyPlanned is a plan that is all that was asked for.
type OnlyPlanned struct {
	Commit  Commit
	Planned *Planned
}

// NeverBuilt names images that were not built before, parted by whether their phase stops
// a push.
type NeverBuilt struct {
	Commit     Commit
	Warn, Stop []string
}

// Beginning says what is about to be built.
type Beginning struct {
	Commit  Commit
	Images  []string
	Seconds *float64 // that it is expected to take; nil without history
	Causes  []Spread
}

// Spread is an image that changed by itself, with what else must be built for it.
type Spread struct {
	Image   string
	Images  int // with the image itself
	Base    bool
	Seconds *float64 // nil without history
}

// Checked is what the builds came to.
type Checked struct {
	Commit         Commit
	Passed         int
	Failed, Warned []string // cannot be built: it stops the push, or its phase only warns
	Unfinished     []string
	Took           time.Duration
}

// NotChecked names images that a push goes on without having checked, or is stopped for.
type NotChecked struct {
	Commit  Commit
	Images  []string
	Why     Why
	Seconds float64 // OverBudget: that they would take
	Err     error   // NoEngine
	Budget  time.Duration
	Stops   bool
}

// Why says why images are not checked.
type Why int

// The whys.
const (
	OverBudget Why = iota // they would take longer
	NotBegun              // the budget was over before
	NotDone               // the budget was over in the middle
	NoEngine              // none can be reached
)

func (OnlyPlanned) event() {}
func (NeverBuilt) event()  {}
func (Beginning) event()   {}
func (Checked) event()     {}
func (NotChecked) event()  {}
