package docker

import (
	"strings"
	"sync"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
)

// tailLines is how many lines of a step's log are kept to show with a failure.
const tailLines = 20

// StepLog gathers what one build's steps did from its status stream, also while it runs.
// Its methods may be called at any time.
type StepLog struct {
	mu      sync.Mutex // guards all below
	written map[string]place
	steps   map[string]*stepState
	order   []string
}

// place is where a vertex comes from in our own definition. With several builds
// at once the engine may report a shared vertex under another build's name, so
// that the definition is believed first.
type place struct {
	name     string
	line     int
	executes bool   // see executes
	of       string // Step.Of
}

type stepState struct {
	Step
	partial string // the log's last line, not ended yet
}

// NewStepLog makes an empty log.
func NewStepLog() *StepLog {
	return &StepLog{written: map[string]place{}, steps: map[string]*stepState{}}
}

// learn takes the names and lines of a definition that is about to be solved.
func (l *StepLog) learn(def *pb.Definition) { l.learnOf("", def) }

// learnOf is learn for the definition of an ancestor; what is known stays.
func (l *StepLog) learnOf(image string, def *pb.Definition) {
	if def == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	execute := map[string]bool{}
	for _, op := range def.Def {
		execute[digest.FromBytes(op).String()] = executes(op)
	}
	for dgst, meta := range def.Metadata {
		p := place{name: meta.Description["llb.customname"], executes: execute[dgst], of: image}
		if known, ok := l.written[dgst]; ok && known.of != image {
			continue // an ancestor's step is a part of all that stands on it
		}
		if image != "" && p.name != "" {
			p.name = image + ": " + p.name
		}
		if def.Source != nil {
			p.line = firstLine(def.Source.Locations[dgst])
		}
		if p != (place{of: image}) {
			l.written[dgst] = p
		}
	}
}

func firstLine(where *pb.Locations) int {
	if where == nil {
		return 0
	}
	for _, loc := range where.Locations {
		for _, r := range loc.Ranges {
			if r.Start != nil && r.Start.Line > 0 {
				return int(r.Start.Line)
			}
		}
	}
	return 0
}

// named gives the status with our own names. What came in is not changed.
func (l *StepLog) named(in *client.SolveStatus) *client.SolveStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := *in
	out.Vertexes = make([]*client.Vertex, len(in.Vertexes))
	for i, v := range in.Vertexes {
		c := *v
		if p := l.written[v.Digest.String()]; p.name != "" {
			c.Name = p.name
		}
		out.Vertexes[i] = &c
	}
	return &out
}

// Write implements ProgressSink: it takes a status with our own names.
func (l *StepLog) Write(status *client.SolveStatus) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range status.Vertexes {
		s := l.step(v.Digest.String())
		s.Name, s.Error = v.Name, v.Error
		// A vertex that several solves of one build need is reported by each; once
		// executed, it stays so.
		s.Cached = v.Cached && (s.Cached || s.Completed.IsZero())
		if v.Started != nil && (s.Started.IsZero() || v.Started.Before(s.Started)) {
			s.Started = *v.Started
		}
		if v.Completed != nil {
			s.Completed = *v.Completed
		}
	}
	for _, entry := range status.Logs {
		l.step(entry.Vertex.String()).log(string(entry.Data))
	}
}

func (l *StepLog) step(dgst string) *stepState {
	s := l.steps[dgst]
	if s == nil {
		p := l.written[dgst]
		s = &stepState{Step: Step{Digest: dgst, Line: p.line, Name: p.name, Executes: p.executes, Of: p.of}}
		l.steps[dgst] = s
		l.order = append(l.order, dgst)
	}
	return s
}

func (s *stepState) log(text string) {
	lines := strings.Split(s.partial+text, "\n")
	last := len(lines) - 1
	s.partial = lines[last]
	for _, line := range lines[:last] {
		if i := strings.LastIndexByte(strings.TrimRight(line, "\r"), '\r'); i >= 0 {
			line = line[i+1:] // a progress bar: what stood there last
		}
		s.Tail = append(s.Tail, strings.TrimRight(line, "\r"))
	}
	if extra := len(s.Tail) - tailLines; extra > 0 {
		s.Tail = append([]string(nil), s.Tail[extra:]...)
	}
}

// Running are the names of the steps that are being executed.
func (l *StepLog) Running() []string {
	var names []string
	for _, s := range l.Steps() {
		if !s.Started.IsZero() && s.Completed.IsZero() {
			names = append(names, s.Name)
		}
	}
	return names
}

// Steps lists the steps in the order they were announced.
func (l *StepLog) Steps() []Step {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Step, len(l.order))
	for i, dgst := range l.order {
		s := l.steps[dgst]
		list[i] = s.Step
		list[i].Tail = append([]string(nil), s.Tail...)
		if s.partial != "" {
			list[i].Tail = append(list[i].Tail, s.partial)
		}
	}
	return list
}

// failedStep is the step that broke the build: the one that failed first. Those
// that were cancelled because of it end later, and not all say that they were.
func failedStep(steps []Step) (Step, bool) {
	var first Step
	for _, s := range steps {
		if s.Error == "" || strings.HasSuffix(s.Error, "context canceled") {
			continue
		}
		if first.Error == "" || !s.Completed.IsZero() && (first.Completed.IsZero() || s.Completed.Before(first.Completed)) {
			first = s
		}
	}
	return first, first.Error != ""
}
