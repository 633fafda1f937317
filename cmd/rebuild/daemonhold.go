package main

import (
	"slices"

	"rebuild/impact"
)

// hold keeps an image from being built until its state is another one.
type hold struct {
	state impact.Digest
	why   string
}

// failedBefore is why an image is held that the daemon could not build.
const failedBefore = "its last build failed"

// hold finds what of the newest plan is not to be built now: what cannot be, what
// failed and did not change since, and what stands on one of these.
func (d *daemon) hold() {
	p := d.newest.p
	if d.noCatchUp && !d.ready {
		for _, name := range p.plan.Rebuilds() {
			d.held[name] = hold{d.newest.stateOf(name), "it was stale before the daemon started"}
		}
	}
	wait := map[string]string{}
	critical, stopped := "", 0
	for _, name := range p.target.Order {
		ip := p.plan.Image(name)
		if h, ok := d.held[name]; ok && h.state != d.newest.stateOf(name) {
			delete(d.held, name)
			delete(d.failed, name)
		}
		h, isHeld := d.held[name]
		switch {
		case ip.Err != nil:
			wait[name] = ip.Err.Error()
		case isHeld && ip.Action == impact.Rebuild:
			wait[name] = h.why
		case isHeld: // it is as it was before it failed
			delete(d.held, name)
			delete(d.failed, name)
		}
		for _, parent := range ip.Parents {
			if _, ok := wait[parent]; ok && wait[name] == "" && ip.Action == impact.Rebuild {
				wait[name] = "waits for " + parent
			}
		}
		if h.why == failedBefore && wait[name] != "" && inCriticalPhase(p.plan, name) && (critical == "" || ip.Phase < stopped) {
			critical, stopped = name, ip.Phase
		}
	}
	if critical != "" {
		for _, ip := range p.plan.Images {
			if ip.Phase > stopped && ip.Action == impact.Rebuild && wait[ip.Name] == "" {
				wait[ip.Name] = "waits for " + critical + ", whose phase is critical"
			}
		}
	}
	for name := range d.held {
		if p.target.States[name] == nil {
			delete(d.held, name)
			delete(d.failed, name)
		}
	}
	d.newest.wait = wait
	d.story.unbuildable(p.plan, wait)
}

func inCriticalPhase(p *impact.Plan, name string) bool {
	return slices.ContainsFunc(p.Phases, func(ph impact.Phase) bool { return ph.Critical && slices.Contains(ph.Images, name) })
}
