package docker

import (
	"maps"
	"slices"
	"time"

	"rebuild/impact"
)

// Audit is what the plan of one run foretold, held against what its builds did.
// What no plan can tell is counted apart, under its why, and is no miss.
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
	Built       int            `json:"built"` // all below together
	Right       int            `json:"right"`
	ForNothing  int            `json:"rebuilt_for_nothing"`
	Apart       map[string]int `json:"apart,omitempty"`        // why -> images
	NotCompared map[string]int `json:"not_compared,omitempty"` // why -> images
}

// LayerTally counts the steps of the images that were compared.
type LayerTally struct {
	Cached      int            `json:"foretold_cached"`
	Invalidated int            `json:"foretold_invalidated"` // with Cached, all below together
	Right       int            `json:"right"`
	Unsound     int            `json:"unsound"`
	Wide        int            `json:"wide"`
	Apart       map[string]int `json:"apart,omitempty"` // why -> layers
}

// Miss is a decision of a plan that a build contradicts.
type Miss struct {
	Kind        string    `json:"kind"`
	Image       string    `json:"image"`
	Layer       int       `json:"layer,omitempty"` // index in the plan; 0: the image as a whole
	Dockerfile  string    `json:"dockerfile,omitempty"`
	Line        int       `json:"line,omitempty"`
	Instruction string    `json:"instruction,omitempty"`
	CauseKind   CauseKind `json:"cause_kind"`
	Cause       string    `json:"cause"` // the likely one, in words

	// For whoever looks into it.
	Step    string          `json:"step,omitempty"` // BuildKit's name for the layer
	Key     impact.Digest   `json:"key,omitempty"`
	Reasons []impact.Reason `json:"reasons,omitempty"` // for which the image was rebuilt

	witness witness
}

// Kinds of misses. Only the first makes a plan unsound.
const (
	Unsound    = "unsound"             // foretold cached, and ran
	Wide       = "wide"                // foretold invalidated, and found in the cache
	ForNothing = "rebuilt for nothing" // nothing ran, and the image came out as it was
)

// Why something is counted apart.
const (
	apartInline   = "inline document, which runs each time"
	apartLink     = "--link, which this engine copies"
	apartBehind   = "wildcards behind a link, which this engine takes for nothing"
	apartAlways   = "runs on each build"
	apartLeftOut  = "arguments left out of the comparison"
	apartElse     = "not built here before"
	apartMoved    = "parent came out another"
	apartSame     = "parent came out the same"
	apartContent  = "compared by content"
	apartSeen     = "seen before"
	apartEdited   = "files edited during the build"
	apartFailed   = "another image failed"
	skipNoCache   = "built without the cache"
	skipUnaligned = "its layers are not those of the plan"
)

// Add counts another audit in: its tallies, misses and keys.
func (a *Audit) Add(b *Audit) {
	a.Images.Built += b.Images.Built
	a.Images.Right += b.Images.Right
	a.Images.ForNothing += b.Images.ForNothing
	a.Images.Apart = addCounts(a.Images.Apart, b.Images.Apart)
	a.Images.NotCompared = addCounts(a.Images.NotCompared, b.Images.NotCompared)
	a.Layers.Cached += b.Layers.Cached
	a.Layers.Invalidated += b.Layers.Invalidated
	a.Layers.Right += b.Layers.Right
	a.Layers.Unsound += b.Layers.Unsound
	a.Layers.Wide += b.Layers.Wide
	a.Layers.Apart = addCounts(a.Layers.Apart, b.Layers.Apart)
	a.Misses = append(a.Misses, b.Misses...)
	keys := append(slices.Clone(a.Keys), b.Keys...)
	slices.Sort(keys)
	a.Keys = slices.Compact(keys)
}

func addCounts(a, b map[string]int) map[string]int {
	sum := maps.Clone(a)
	if sum == nil {
		sum = map[string]int{}
	}
	for why, n := range b {
		sum[why] += n
	}
	return sum
}
