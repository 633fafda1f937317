package main

import (
	"testing"

	"rebuild/impact"
	"rebuild/watch/daemon"
)

func TestReasonsText(t *testing.T) {
	for want, c := range map[string]*daemon.Cause{
		"":                            nil,
		"src/a.txt":                   {Reason: impact.Reason{Kind: impact.ReasonFile, Path: "src/a.txt"}},
		"app/Dockerfile":              {Reason: impact.Reason{Kind: impact.ReasonDockerfile, Path: "app/Dockerfile"}},
		".dockerignore and 2 more":    {Reason: impact.Reason{Kind: impact.ReasonIgnore, Path: ".dockerignore"}, More: 2},
		"base":                        {Reason: impact.Reason{Kind: impact.ReasonParent, Image: "base"}},
		"python:3":                    {Reason: impact.Reason{Kind: impact.ReasonBase, Image: "python:3"}},
		"build argument X and 1 more": {Reason: impact.Reason{Kind: impact.ReasonArg, Arg: "X"}, More: 1},
		"asked for":                   {Reason: impact.Reason{Kind: impact.ReasonForced}},
		"its definition changed":      {Reason: impact.Reason{Kind: impact.ReasonConfig, Layer: 9}},
		"its definition changed (Dockerfile:3 RUN make)": {
			Reason: impact.Reason{Kind: impact.ReasonConfig, Layer: 9}, Layer: &daemon.Layer{File: "Dockerfile", Line: 3, Instruction: "RUN make"},
		},
	} {
		if got := reasonsText(c); got != want {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
	}
}

func TestWaitsText(t *testing.T) {
	for want, w := range map[string]daemon.Waits{
		"waits for base": {Kind: daemon.WaitsForImage, For: "base"},
		"waits for base, whose phase is critical":                       {Kind: daemon.WaitsForCritical, For: "base"},
		"its last build failed":                                         {Kind: daemon.WaitsFailed},
		"it cannot be built":                                            {Kind: daemon.WaitsAtFault},
		"it was stale before the daemon started":                        {Kind: daemon.WaitsAtStart},
		"waits: for something of a newer version":                       {Kind: "for something of a newer version"},
		"it does not come to rest: it was built several times in a row": {Kind: daemon.WaitsRestless},
	} {
		if got := waitsText(&w); got != want {
			t.Errorf("%+v: %q, want %q", w, got, want)
		}
	}
}
