package docker_test

import (
	"strings"
	"testing"

	"rebuild/docker"
	"rebuild/docker/enginetest"
)

// An engine that merges finds COPY --link in its cache whatever came before; one that
// copies runs it again. Which it is, the build says.
func TestCopiesLink(t *testing.T) {
	e := enginetest.WithBase(t)
	req := enginetest.Request(t, "linked", "", enginetest.Files{"f": {Data: []byte(enginetest.Unique()), Mode: 0o644}})
	build := func() *docker.Result {
		req.Dockerfile = []byte("FROM " + enginetest.Base + "\nRUN echo " + enginetest.Unique() + "\nCOPY --link f /f\n")
		return enginetest.MustBuild(t, e, req)
	}
	build()
	again := build()
	ran, found := false, false
	for _, s := range again.Steps {
		if strings.HasSuffix(s.Name, "COPY --link f /f") {
			ran, found = s.Ran(), true
		}
	}
	if !found || ran != again.CopiesLink {
		t.Errorf("ran: %v, copies: %v, %+v", ran, again.CopiesLink, again.Steps)
	}
}
