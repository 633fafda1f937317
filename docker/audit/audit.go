// Package audit compares what plans predicted with what their builds ran, says which
// predictions were wrong and what the likely cause is, and keeps the result.
//
// It promises that what no plan can tell is counted as not comparable, never as a miss,
// and that a miss has its evidence with it. It asks no engine: what one says is given
// to it.
package audit

import (
	"maps"
	"slices"
	"time"

	"rebuild/impact"
)

// version is the form that audits are written in. Those of another are not read.
const version = 2

// Audit is what the plans of one run predicted, compared with what its builds did. Its
// JSON form is stable: fields may be added, never changed. What no plan can tell is
// counted under its Why, and is no miss.
type Audit struct {
	Version int        `json:"version"`
	Ended   time.Time  `json:"ended"`            // when the run did
	Engine  string     `json:"engine,omitempty"` // its version
	Images  ImageTally `json:"images"`
	Layers  LayerTally `json:"layers"`
	Misses  []Miss     `json:"misses,omitempty"`

	// Keys are those of the layers that the engine may have since, shortened, so that a
	// later audit knows what was seen before.
	Keys []string `json:"keys,omitempty"`
}

// ImageTally counts the images that were built.
type ImageTally struct {
	Built         int    `json:"built"` // all below together
	Right         int    `json:"right"`
	ForNothing    int    `json:"rebuilt_for_nothing"`
	NotComparable Counts `json:"not_comparable"` // no plan can tell
	NotCompared   Counts `json:"not_compared"`   // their layers were not looked at
}

// LayerTally counts the steps of the images that were compared.
type LayerTally struct {
	Cached        int    `json:"predicted_cached"`
	Invalidated   int    `json:"predicted_invalidated"` // with Cached, all below together
	Right         int    `json:"right"`
	Unsound       int    `json:"unsound"`
	Wide          int    `json:"wide"`
	NotComparable Counts `json:"not_comparable"` // no plan can tell
}

// Miss is a decision of a plan that a build contradicts.
type Miss struct {
	Kind        MissKind `json:"kind"`
	Image       string   `json:"image"`
	Layer       int      `json:"layer,omitempty"` // index in the plan; 0: the image as a whole
	Dockerfile  string   `json:"dockerfile,omitempty"`
	Line        int      `json:"line,omitempty"`
	Instruction string   `json:"instruction,omitempty"`
	Cause       Cause    `json:"cause"` // the likely one

	// For whoever looks into it.
	Step    string          `json:"step,omitempty"` // BuildKit's name for the layer
	Key     impact.Digest   `json:"key,omitempty"`
	Reasons []impact.Reason `json:"reasons,omitempty"` // for which the image was rebuilt

	known vouched
}

// MissKind says in which direction a plan was wrong.
type MissKind string

// Kinds of misses. Only the first makes a plan unsound.
const (
	Unsound    MissKind = "unsound"             // predicted cached, and ran
	Wide       MissKind = "wide"                // predicted invalidated, and found in the cache
	ForNothing MissKind = "rebuilt-for-nothing" // nothing ran, and the image came out as it was
)

// Cause is the likely cause of a miss.
type Cause struct {
	Kind  CauseKind  `json:"kind"`
	Base  string     `json:"base,omitempty"`  // the external image that it is about
	Since *time.Time `json:"since,omitempty"` // when the engine had what it lacks now
}

// CauseKind sorts the likely causes of misses.
type CauseKind string

// The likely causes of a miss.
const (
	CauseCachePruned CauseKind = "cache-pruned" // the engine dropped what it had: no fault of the plan
	CauseBaseUnseen  CauseKind = "base-unseen"  // an external base is not in the engine's store: it may have moved
	CauseBaseAsked   CauseKind = "base-asked"   // an external base was asked for in its registry: it may have moved
	CauseBaseMoved   CauseKind = "base-moved"   // an external base moved between the plan and the build
	CauseUnknown     CauseKind = "unknown"      // to be reported
)

// Why says why a prediction cannot be compared with what ran, or was not.
type Why string

// Why something is not comparable, or was not compared.
const (
	InlineDocument    Why = "inline-document"     // it runs each time
	TakesNothing      Why = "takes-nothing"       // nor is it made of anything: it runs each time
	LinkCopied        Why = "link-copied"         // --link, which this engine copies
	WildcardsInLink   Why = "wildcards-in-link"   // behind a symlink, where old engines find nothing
	RunsAlways        Why = "runs-always"         // on each build
	ArgumentsIgnored  Why = "arguments-ignored"   // left out of the comparison
	NotBuiltHere      Why = "not-built-here"      // before
	ParentChanged     Why = "parent-changed"      // a parent came out another
	ParentSame        Why = "parent-same"         // a parent came out the same
	ComparedByContent Why = "compared-by-content" // what is copied came out the same
	SeenBefore        Why = "seen-before"         // by an older build
	FilesEdited       Why = "files-edited"        // during the build
	OtherImageFailed  Why = "other-image-failed"  // and may have run the step
	BuiltWithoutCache Why = "built-without-cache" // whole image
	BuiltElsewhere    Why = "built-elsewhere"     // on another builder than before: whole image
	LayersDiffer      Why = "layers-differ"       // those of the build are not those of the plan
)

// Counts says how often something was not comparable, by why.
type Counts map[Why]int

// Total is how often it was at all.
func (c Counts) Total() int {
	n := 0
	for _, k := range c {
		n += k
	}
	return n
}

// Add counts another audit in: its tallies, misses and keys.
func (a *Audit) Add(b *Audit) {
	a.Images.Built += b.Images.Built
	a.Images.Right += b.Images.Right
	a.Images.ForNothing += b.Images.ForNothing
	a.Images.NotComparable = addCounts(a.Images.NotComparable, b.Images.NotComparable)
	a.Images.NotCompared = addCounts(a.Images.NotCompared, b.Images.NotCompared)
	a.Layers.Cached += b.Layers.Cached
	a.Layers.Invalidated += b.Layers.Invalidated
	a.Layers.Right += b.Layers.Right
	a.Layers.Unsound += b.Layers.Unsound
	a.Layers.Wide += b.Layers.Wide
	a.Layers.NotComparable = addCounts(a.Layers.NotComparable, b.Layers.NotComparable)
	a.Misses = append(a.Misses, b.Misses...)
	keys := append(slices.Clone(a.Keys), b.Keys...)
	slices.Sort(keys)
	a.Keys = slices.Compact(keys)
}

func addCounts(a, b Counts) Counts {
	sum := maps.Clone(a)
	if sum == nil {
		sum = Counts{}
	}
	for why, n := range b {
		sum[why] += n
	}
	return sum
}

// Faults are the misses for which a plan was unsound, and that the engine's cache does
// not explain.
func (a *Audit) Faults() []Miss {
	var list []Miss
	for _, m := range a.Misses {
		if m.Kind == Unsound && m.Cause.Kind != CauseCachePruned {
			list = append(list, m)
		}
	}
	return list
}
