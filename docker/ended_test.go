package docker_test

import (
	"strings"
	"testing"

	"github.com/moby/buildkit/client"

	"rebuild/docker/enginetest"
)

// started is closed when the build's step begins to run.
type started chan struct{}

func (s started) Write(status *client.SolveStatus) {
	for _, v := range status.Vertexes {
		if strings.HasSuffix(v.Name, "RUN sleep 1") && v.Started != nil {
			select {
			case <-s:
			default:
				close(s)
			}
		}
	}
}

// The image is there when the engine says that its build has ended. A build that it
// never heard of has.
func TestEnded(t *testing.T) {
	e := enginetest.WithBase(t)
	req := enginetest.Request(t, "ended", "FROM "+enginetest.Base+"\nENV unique="+enginetest.Unique()+"\nRUN sleep 1\n", nil)
	runs := make(started)
	req.ID, req.Progress = enginetest.Unique(), runs
	result := make(chan error, 1)
	go func() {
		_, err := e.Build(t.Context(), req)
		result <- err
	}()
	select {
	case <-runs:
	case err := <-result:
		t.Fatalf("it ended before its step began: %v", err)
	}
	if err := e.Ended(t.Context(), req.ID, "never-heard-of"); err != nil {
		t.Error(err)
	}
	images, err := e.Images(t.Context())
	if err != nil || images.ID(req.Refs[0]) == "" {
		t.Errorf("no %s: %v", req.Refs[0], err)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}
