package docker_test

import (
	"context"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"

	"rebuild/docker/enginetest"
)

// onceStarted is told of a build's steps, and closes begun when one of them starts.
type onceStarted struct {
	part  string
	begun chan struct{}
	told  bool
}

func (s *onceStarted) Write(st *client.SolveStatus) {
	for _, v := range st.Vertexes {
		if !s.told && v.Started != nil && strings.Contains(v.Name, s.part) {
			s.told = true
			close(s.begun)
		}
	}
}

// TestTagMovesWhileABuildStandsOnIt: a build that begins after a tag was moved stands
// on the new image, also while another build still stands on the old one.
func TestTagMovesWhileABuildStandsOnIt(t *testing.T) {
	e := engine(t)
	tag := enginetest.Ref(t, "rebuild.test/moving:"+unique(t))
	enginetest.Cleanup(t, e, tag)
	old := mustBuild(t, e, request(t, "old", "RUN echo "+unique(t)+" > /token\n", nil))
	next := mustBuild(t, e, request(t, "next", "RUN echo "+unique(t)+" > /token\n", nil))
	if err := e.Tag(t.Context(), old.ImageID, tag); err != nil {
		t.Fatal(err)
	}

	slow := request(t, "slow", "", nil)
	slow.Dockerfile = []byte("FROM " + tag + "\nRUN echo " + unique(t) + "; sleep 20\n")
	seen := &onceStarted{part: "RUN", begun: make(chan struct{})}
	slow.Progress = seen
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := e.Build(ctx, slow)
		ended <- err
	}()
	<-seen.begun
	if err := e.Tag(t.Context(), next.ImageID, tag); err != nil {
		t.Fatal(err)
	}
	quick := request(t, "quick", "", nil)
	quick.Dockerfile = []byte("FROM " + tag + "\nRUN cat /token > /copy\n")
	got := mustBuild(t, e, quick)
	cancel()
	<-ended
	at := len(next.Chain) - 1
	switch got.Chain[at] {
	case next.Chain[at]:
	case old.Chain[at]:
		t.Error("it stands on the image that had the tag before")
	default:
		t.Errorf("it stands on another image: %q", got.Chain)
	}
}
