package docker_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"

	"rebuild/docker"
	"rebuild/docker/enginetest"
)

// What was listed before is used only as long as it is what the engine would list: after
// each of many changes it is not.
func TestListingStaysTrue(t *testing.T) {
	e := enginetest.Connect(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	repository := fmt.Sprintf("rebuild-listing/x%x", r.Uint64())
	var refs []string
	for i := range 4 {
		refs = append(refs, enginetest.Ref(t, fmt.Sprint(repository, ":", i)))
	}
	cli := func(stdin []byte, args ...string) []byte {
		cmd := exec.Command("docker", append([]string{"--host", e.Host()}, args...)...)
		cmd.Stdin = bytes.NewReader(stdin)
		out, _ := cmd.Output() // some of what is asked cannot be
		return out
	}
	enginetest.Busybox(t, e, refs[0])
	info := strings.TrimSpace(enginetest.Docker(t, e, "info", "--format", "{{.ID}} {{.ServerVersion}}"))
	archive := cli(nil, "save", refs[0])
	changes := map[string]func(){
		"tag":    func() { cli(nil, "tag", refs[0], refs[1+r.IntN(3)]) },
		"untag":  func() { cli(nil, "rmi", refs[1+r.IntN(3)]) },
		"import": func() { cli(nil, "import", "-c", fmt.Sprint("LABEL n=", r.Uint64()), "/dev/null", refs[1+r.IntN(3)]) },
		"load":   func() { cli(archive, "load") },
		"build": func() {
			req := docker.Request{Dockerfile: []byte(fmt.Sprintf("FROM %s\nLABEL n=%d\n", refs[0], r.Uint64())), Refs: refs[1+r.IntN(3):][:1]}
			req.Image.Name = "image"
			if _, err := e.Build(t.Context(), req); err != nil {
				t.Error(err)
			}
		},
		"remove and load": func() {
			cli(nil, "rmi", "-f", refs[0])
			cli(archive, "load")
		},
		"nothing": func() {},
	}
	names := []string{"tag", "untag", "import", "load", "build", "remove and load", "nothing", "nothing", "nothing"}
	last, used := &docker.Listing{Engine: info}, 0
	for range 25 {
		change := names[r.IntN(len(names))]
		changes[change]()
		got, kept, err := e.ImagesSince(t.Context(), last)
		if err != nil {
			t.Fatal(err)
		}
		now, err := e.Images(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// Other tests have images of their own: these come and go between the two.
		for _, ref := range refs {
			if got.ID(ref) != now.ID(ref) || got.ID(ref) != "" && got.Untagged(got.ID(ref)) {
				t.Fatalf("after %q %s is %q, and %q was listed", change, ref, now.ID(ref), got.ID(ref))
			}
		}
		if kept != nil && last != nil && reflect.DeepEqual(kept.Images, last.Images) {
			used++
		}
		last = kept
		if last == nil {
			last = &docker.Listing{Engine: info}
		}
	}
	t.Logf("a list of before was used %d times", used)
	if enginetest.Manifests(t, e) && used == 0 {
		t.Error("no list was used again")
	}
	// Nothing that it remembers is taken for another engine's.
	if _, kept, err := e.ImagesSince(t.Context(), &docker.Listing{Engine: "another", After: last.After}); err != nil || kept != nil && slices.ContainsFunc(kept.Images, func(docker.Image) bool { return true }) {
		t.Errorf("%+v %v", kept, err)
	}
}
