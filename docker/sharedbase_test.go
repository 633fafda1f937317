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
	e := enginetest.WithBase(t)
	tag := enginetest.Ref(t, "rebuild.test/moving:"+enginetest.Unique())
	enginetest.Cleanup(t, e, tag)
	old := enginetest.MustBuild(t, e, enginetest.Request(t, "old", "RUN echo "+enginetest.Unique()+" > /token\n", nil))
	next := enginetest.MustBuild(t, e, enginetest.Request(t, "next", "RUN echo "+enginetest.Unique()+" > /token\n", nil))
	enginetest.Tag(t, e, old.ImageID, tag)

	slow := enginetest.Request(t, "slow", "", nil)
	slow.Dockerfile = []byte("FROM " + tag + "\nRUN echo " + enginetest.Unique() + "; sleep 20\n")
	seen := &onceStarted{part: "RUN", begun: make(chan struct{})}
	slow.Progress = seen
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := e.Build(ctx, slow)
		ended <- err
	}()
	<-seen.begun
	enginetest.Tag(t, e, next.ImageID, tag)
	quick := enginetest.Request(t, "quick", "", nil)
	quick.Dockerfile = []byte("FROM " + tag + "\nRUN cat /token > /copy\n")
	got := enginetest.MustBuild(t, e, quick)
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
