package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"rebuild/impact"
)

// told are the messages that a teller writes while f runs.
func told(f func(*teller)) []string {
	var out bytes.Buffer
	f(newTeller(zerolog.New(&out)))
	var said []string
	for dec := json.NewDecoder(&out); ; {
		var entry struct{ Message string }
		if dec.Decode(&entry) != nil {
			return said
		}
		said = append(said, entry.Message)
	}
}

// A warning is told once, until it has gone and come back; what a run warns of has
// nothing to do with what a plan does.
func TestWarningsAreToldOnce(t *testing.T) {
	said := told(func(s *teller) {
		s.warnings(byPlan, []string{"a", "b"})
		s.warnings(byRun, nil)
		s.warnings(byPlan, []string{"b", "a"})
		s.warnings(byRun, []string{"r"})
		s.warnings(byPlan, []string{"a"})
		s.warnings(byRun, []string{"r"})
		s.warnings(byPlan, []string{"a", "b"})
	})
	if want := []string{"a", "b", "r", "b"}; !slices.Equal(said, want) {
		t.Errorf("told %q, want %q", said, want)
	}
}

// An image that cannot be built is told of once for each cause, and when it can be.
func TestUnbuildableIsToldOnce(t *testing.T) {
	plan := func(cause string) (*impact.Plan, map[string]string) {
		ip := impact.ImagePlan{Name: "app"}
		wait := map[string]string{}
		if cause != "" {
			ip.Err = &impact.Fault{Path: "Dockerfile", Line: 2, Cause: cause}
			wait["app"] = cause
		}
		return &impact.Plan{Images: []impact.ImagePlan{ip}}, wait
	}
	said := told(func(s *teller) {
		for _, cause := range []string{"", "x", "x", "y", "y", "", ""} {
			s.unbuildable(plan(cause))
		}
	})
	want := []string{"app cannot be built: Dockerfile:2: x", "app cannot be built: Dockerfile:2: y", "app can be built again"}
	if !slices.Equal(said, want) {
		t.Errorf("told %q, want %q", said, want)
	}
}

func TestCauseOf(t *testing.T) {
	for want, reasons := range map[string][]impact.Reason{
		"":                            nil,
		"src/a.txt":                   {{Kind: impact.ReasonFile, Path: "src/a.txt"}},
		"app/Dockerfile":              {{Kind: impact.ReasonDockerfile, Path: "app/Dockerfile"}},
		".dockerignore and 2 more":    {{Kind: impact.ReasonIgnore, Path: ".dockerignore"}, {}, {}},
		"base":                        {{Kind: impact.ReasonParent, Image: "base"}},
		"python:3":                    {{Kind: impact.ReasonBase, Image: "python:3"}},
		"build argument X and 1 more": {{Kind: impact.ReasonArg, Arg: "X"}, {}},
		"asked for":                   {{Kind: impact.ReasonForced}},
	} {
		if got := causeOf(&impact.ImagePlan{Name: "app", Reasons: reasons}); got != want {
			t.Errorf("%+v: %q, want %q", reasons, got, want)
		}
	}
}
