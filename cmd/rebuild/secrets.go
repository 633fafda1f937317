package main

import (
	"maps"
	"slices"
	"sync"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/impact"
)

// secrets keep values that are shown to nobody out of all that is printed and logged, also
// out of names that hold one: what is read of definitions adds to them. Its methods may be
// called concurrently.
type secrets struct {
	mu     sync.Mutex
	known  map[impact.Value]bool // guarded by mu
	values impact.Values         // guarded by mu: the same
}

// secretsOf has a printer keep to the secrets that are given.
func secretsOf(p *terminal.Printer) *secrets {
	s := &secrets{}
	p.Withhold = s.withheld
	return s
}

// add takes in more of them.
func (s *secrets) add(list []impact.Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.known)
	if s.known == nil {
		s.known = map[impact.Value]bool{}
	}
	for _, v := range list {
		s.known[v] = true
	}
	if len(s.known) > before {
		s.values = impact.NewValues(slices.Collect(maps.Keys(s.known)), false)
	}
}

// withheld is a text without them, and without what URLs have of users and passwords.
func (s *secrets) withheld(text string) string {
	s.mu.Lock()
	values := s.values
	s.mu.Unlock()
	return values.Withheld(text)
}

// options are those of a session whose definitions' secrets are kept, and which warns by
// the printer.
func (s *secrets) options(p *terminal.Printer) session.Options {
	return session.Options{Warn: p.WarnText, Secret: s.add}
}
