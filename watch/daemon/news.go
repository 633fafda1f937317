package daemon

import "rebuild/impact"

// news keeps what each planning and run says anew from being told more than once.
type news struct {
	events func(Event)
	warned map[source]map[string]bool // the warnings that still hold
	faulty map[string]impact.Fault    // images that cannot be built
}

// source is who warns.
type source int

const (
	byPlan source = iota
	byRun
)

func newNews(events func(Event)) news {
	return news{events: events, warned: map[source]map[string]bool{}, faulty: map[string]impact.Fault{}}
}

// warnings tells those that were not there the last time, by the same source.
func (n news) warnings(by source, list []string) {
	now := map[string]bool{}
	for _, text := range list {
		if !now[text] && !n.warned[by][text] {
			n.events(Warning{text})
		}
		now[text] = true
	}
	n.warned[by] = now
}

// faults tells of images that cannot be built, and of those that can again.
func (n news) faults(p *impact.Plan) {
	for _, ip := range p.Images {
		was, known := n.faulty[ip.Name]
		switch {
		case ip.Err == nil && known:
			delete(n.faulty, ip.Name)
			n.events(Buildable{ip.Name})
		case ip.Err != nil && (!known || *ip.Err != was):
			n.faulty[ip.Name] = *ip.Err
			n.events(Unbuildable{ip.Name, ip.Err})
		}
	}
}
