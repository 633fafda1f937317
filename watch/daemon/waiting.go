package daemon

import (
	"slices"

	"rebuild/impact"
)

// WaitKind is why an image is not built, though it is stale.
type WaitKind string

// The reasons to wait.
const (
	WaitsForImage    WaitKind = "image"              // what it is built on waits
	WaitsForCritical WaitKind = "critical phase"     // an image of an earlier phase failed, and that is critical
	WaitsFailed      WaitKind = "failed"             // its last build failed
	WaitsAtFault     WaitKind = "fault"              // it cannot be built
	WaitsAtStart     WaitKind = "stale at the start" // and is not to be caught up on
	WaitsRestless    WaitKind = "restless"           // it was built several times in a row
)

// Waits is why an image is not built now.
type Waits struct {
	Kind WaitKind `json:"kind"`
	For  string   `json:"for,omitempty"` // the image, of the first two kinds
}

// waiting is why an image is left alone as long as its state is this one.
type waiting struct {
	state impact.Digest
	kind  WaitKind
}

// findWaiting finds what of the newest plan is not to be built now: what cannot be,
// what failed and did not change since, and what stands on one of these.
func (l *loop) findWaiting() {
	a := l.newest
	if l.NoCatchUp && !l.ready {
		for _, name := range a.Plan.Rebuilds() {
			l.waiting[name] = waiting{a.stateOf(name), WaitsAtStart}
		}
	}
	l.recover()
	a.waits = map[string]Waits{}
	critical, stopped := "", 0
	for _, name := range a.Target.Order {
		ip := a.Plan.Image(name)
		w, alone := l.waiting[name]
		switch {
		case ip.Err != nil:
			a.waits[name] = Waits{Kind: WaitsAtFault}
		case alone:
			a.waits[name] = Waits{Kind: w.kind}
		case ip.Action == impact.Rebuild:
			if i := slices.IndexFunc(ip.Parents, a.waitsFor); i >= 0 {
				a.waits[name] = Waits{Kind: WaitsForImage, For: ip.Parents[i]}
			}
		}
		if w.kind == WaitsFailed && inCriticalPhase(a.Plan, name) && (critical == "" || ip.Phase < stopped) {
			critical, stopped = name, ip.Phase
		}
	}
	if critical != "" {
		for _, ip := range a.Plan.Images {
			if ip.Phase > stopped && ip.Action == impact.Rebuild && !a.waitsFor(ip.Name) {
				a.waits[ip.Name] = Waits{Kind: WaitsForCritical, For: critical}
			}
		}
	}
	l.news.faults(a.Plan)
}

// recover ends the waiting of images that have another state, that are as they were
// before they failed, or that are gone.
func (l *loop) recover() {
	for name, w := range l.waiting {
		ip := l.newest.Plan.Image(name)
		if l.newest.stateOf(name) != w.state || ip == nil || ip.Err == nil && ip.Action == impact.Keep {
			delete(l.waiting, name)
			delete(l.failed, name)
		}
	}
}

func inCriticalPhase(p *impact.Plan, name string) bool {
	return slices.ContainsFunc(p.Phases, func(ph impact.Phase) bool { return ph.Critical && slices.Contains(ph.Images, name) })
}
