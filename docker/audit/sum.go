package audit

import "time"

// Sum is the audits of many runs together. Its JSON form is stable: fields may be added,
// never changed.
type Sum struct {
	Runs   int         `json:"runs"`
	Since  *time.Time  `json:"since"` // when the first of them ended; nil without any
	Images ImageTally  `json:"images"`
	Layers LayerTally  `json:"layers"`
	Misses []DatedMiss `json:"misses"` // the oldest first
}

// DatedMiss is a miss with the run that had it.
type DatedMiss struct {
	Date   time.Time `json:"date"`
	Engine string    `json:"engine"` // its version
	Miss
}

// SumOf counts audits together, the oldest of which comes first.
func SumOf(audits []Audit) Sum {
	sum := Sum{Runs: len(audits), Misses: []DatedMiss{}}
	whole := &Audit{}
	whole.Add(&Audit{}) // without any run, the maps are empty, not null
	for i, a := range audits {
		if i == 0 {
			sum.Since = &audits[i].Ended
		}
		for _, miss := range a.Misses {
			sum.Misses = append(sum.Misses, DatedMiss{Date: a.Ended, Engine: a.Engine, Miss: miss})
		}
		a.Keys = nil // they are for later audits, and many
		whole.Add(&a)
	}
	sum.Images, sum.Layers = whole.Images, whole.Layers
	return sum
}

// ByPrunedCache counts the misses that the engine's cache explains.
func (s Sum) ByPrunedCache() int {
	n := 0
	for _, m := range s.Misses {
		if m.Cause.Kind == CauseCachePruned {
			n++
		}
	}
	return n
}
