package docker

import "github.com/moby/buildkit/client"

// Live is a look at a build while it runs. Its methods may be called at any time.
type Live struct{ steps *stepLog }

func newLive() *Live { return &Live{steps: newStepLog()} }

// Write implements ProgressSink.
func (l *Live) Write(s *client.SolveStatus) { l.steps.add(s) }

// Steps are those that the build has announced so far, in that order.
func (l *Live) Steps() []Step { return l.steps.all() }

// Running are the names of the steps that are being executed.
func (l *Live) Running() []string {
	var names []string
	for _, s := range l.Steps() {
		if !s.Started.IsZero() && s.Completed.IsZero() {
			names = append(names, s.Name)
		}
	}
	return names
}

// sinks writes to several.
type sinks []ProgressSink

func (all sinks) Write(s *client.SolveStatus) {
	for _, sink := range all {
		sink.Write(s)
	}
}
