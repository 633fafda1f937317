package docker_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rebuild/docker"
)

// A list that lacks the content of an image which is being removed is asked for again: it is
// no sign of an engine that is not there.
func TestListWhileRemoved(t *testing.T) {
	const ref = "docker.io/library/a:1"
	for name, tt := range map[string]struct {
		faults int
		status int
		says   string
		err    string
	}{
		"once":    {faults: 1, status: http.StatusNotFound, says: "NotFound: content digest sha256:027c: not found"},
		"always":  {faults: 1000, status: http.StatusNotFound, says: "NotFound: content digest sha256:027c: not found", err: "list images: its store changes while it lists it: "},
		"podman":  {faults: 2, status: http.StatusInternalServerError, says: "checking if image 02 is dangling: reading image 02: locating image with ID 02: image not known"},
		"another": {faults: 1, status: http.StatusInternalServerError, says: "the disk is full", err: "the disk is full"},
	} {
		t.Run(name, func(t *testing.T) {
			left := tt.faults
			engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.HasSuffix(r.URL.Path, "/_ping"):
					w.Header().Set("Api-Version", "1.51")
				case strings.HasSuffix(r.URL.Path, "/images/json") && left > 0:
					left--
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(tt.status)
					fmt.Fprintf(w, `{"message":%q}`, tt.says)
				default:
					w.Header().Set("Content-Type", "application/json")
					fmt.Fprint(w, `[{"Id":"sha256:1","RepoTags":["a:1"]}]`)
				}
			}))
			t.Cleanup(engine.Close)
			t.Setenv("DOCKER_HOST", strings.Replace(engine.URL, "http:", "tcp:", 1))
			e, err := docker.Connect(t.Context(), docker.Options{})
			if err != nil {
				t.Fatal(err)
			}
			images, err := e.Images(t.Context())
			switch {
			case tt.err != "":
				if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "no docker engine") {
					t.Errorf("%v", err)
				}
			case err != nil || images.ID(ref) != "sha256:1":
				t.Errorf("%v %v", images.Refs(), err)
			}
		})
	}
}
