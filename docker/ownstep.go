package docker

import (
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/identity"
	digest "github.com/opencontainers/go-digest"
)

// ownStep is a step of a build that BuildKit does not do, shown like the others.
type ownStep struct {
	vertex client.Vertex
	write  func(*client.SolveStatus)
}

func newOwnStep(name string, write func(*client.SolveStatus)) *ownStep {
	now := time.Now()
	s := &ownStep{vertex: client.Vertex{Digest: digest.FromString(identity.NewID()), Name: name, Started: &now}, write: write}
	s.send()
	return s
}

func (s *ownStep) send() {
	v := s.vertex
	s.write(&client.SolveStatus{Vertexes: []*client.Vertex{&v}})
}

// report says how far one part of the step is.
func (s *ownStep) report(id, status string) {
	line := status
	if id != "" {
		line = id + ": " + status
	}
	s.write(&client.SolveStatus{Logs: []*client.VertexLog{{
		Vertex: s.vertex.Digest, Stream: 1, Data: []byte(line + "\n"), Timestamp: time.Now(),
	}}})
}

func (s *ownStep) end(err error) {
	now := time.Now()
	s.vertex.Completed = &now
	if err != nil {
		s.vertex.Error = err.Error()
	}
	s.send()
}
