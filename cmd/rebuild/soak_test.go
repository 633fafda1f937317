//go:build linux

package main

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rebuild/docker"
	"rebuild/docker/enginetest"
	"rebuild/watch/daemon"
)

var (
	soakSeed  = flag.Uint64("soak.seed", 0, "seed of the soak test (0: a new one)")
	soakTell  = flag.Bool("soak.tell", false, "print each step as it is done")
	soakEdits = flag.Int("soak.edits", 25, "edits that the daemon has to follow")
	soakEvery = flag.Duration("soak.every", 0, "the time between two steps (0: they come at all moments of the daemon's work); the daemon then lives to the end, and its memory is measured")
	soakWatch = flag.Int("soak.watches", 0, "how many inotify watches the daemon may have (0: as many as the system gives)")
)

// soakImages bounds the images of the repository: more of them take longer, and find
// nothing that few do not.
const soakImages = 5

// TestSoak is a day in a minute: a real daemon on a random repository, with steps that
// come faster than its builds end. Now and then it may settle; then every image must
// be what a build of everything gives, and nothing may have piled up.
func TestSoak(t *testing.T) {
	seed := *soakSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1_000_000_000
	}
	t.Logf("go test ./cmd/rebuild -run TestSoak -soak.seed %d -soak.edits %d", seed, *soakEdits)
	s := newSoak(t, seed)
	between := 6
	if *soakEvery > 0 {
		ticker := time.NewTicker(*soakEvery)
		defer ticker.Stop()
		s.tick = ticker.C
		between = *soakEdits / 10 // a settled daemon is not one that follows edits
	}
	for s.edits < *soakEdits && !t.Failed() {
		for until := s.edits + between + s.r.IntN(20); s.edits < until && s.edits < *soakEdits; {
			s.step(t)
			if s.tick != nil {
				s.mend(t)
			}
		}
		s.settle(t)
	}
	s.finish(t)
	t.Logf("%d edits, settled %d times, %d images held against a build of everything\n%s", s.edits, s.settled, s.judged, s.tally())
}

// soak is a repository, the daemon that follows it, and what happens to both.
type soak struct {
	r        *rand.Rand
	engine   *docker.Engine
	checkout *checkout
	gate     *proxy // the daemon's way to the engine
	daemon   *soakDaemon
	beside   *exec.Cmd // a run of rebuild that goes on; nil: none
	tmp      string

	now  *sketch // what the repository is to be
	good *sketch // the last of which every image could be built

	edits, settled, judged int
	kinds                  map[string]int
	steps                  []string // since it settled last
	bases                  map[string]bool
	first                  *resources       // when it settled first
	failing                int              // steps since the daemon was seen up to date, in a soak at a pace
	tick                   <-chan time.Time // when the next step is due; nil: at any moment
}

func newSoak(t *testing.T, seed uint64) *soak {
	e := enginetest.Connect(t)
	host, ok := strings.CutPrefix(e.Host(), "unix://")
	if !ok {
		t.Fatalf("the soak test reaches its engine through a socket of its own, and needs one on a unix socket: %s", e.Host())
	}
	tmp := t.TempDir()
	soakEnv(t, tmp)
	prefix := fmt.Sprintf("rebuild-soak-%x", rand.Uint64())
	enginetest.Busybox(t, e, prefix+"/busybox")
	t.Cleanup(func() { removeTags(t, e, prefix) })
	s := &soak{
		r: rand.New(rand.NewPCG(seed, 1)), engine: e, tmp: tmp,
		checkout: newCheckout(t, e, prefix+"/busybox", filepath.Join(tmp, "repo"), prefix),
		gate:     newProxy(t, "unix://"+host),
		kinds:    map[string]int{}, bases: map[string]bool{},
	}
	t.Cleanup(func() { s.tellWhy(t) })
	s.begin(t)
	return s
}

// soakEnv is a git without the user's settings, and a folder for the daemon's socket.
func soakEnv(t *testing.T, tmp string) {
	config := filepath.Join(tmp, "gitconfig")
	text := "[user]\n\tname = a\n\temail = a@localhost\n[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n[gc]\n\tauto = 0\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_CONFIG_GLOBAL", config)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	t.Setenv("XDG_RUNTIME_DIR", tmp)
}

// begin finds a repository whose images can all be built, by having the daemon build
// it: images that cannot be are taken out.
func (s *soak) begin(t *testing.T) {
	for s.now == nil || len(s.now.images) < 3 {
		s.now = generate(s.r, false)
		s.now.images = s.now.images[:min(len(s.now.images), soakImages)]
		s.write(t)
		for len(s.now.images) > 0 {
			if s.daemon == nil {
				s.daemon = startSoakDaemon(t, s)
			}
			s.daemon.wait(t)
			st := s.daemon.rest(t)
			broken := map[string]bool{}
			for _, im := range st.Images {
				broken[im.Name] = im.State != daemon.ImageUpToDate
			}
			if st.State == daemon.UpToDate {
				break
			}
			s.now = s.now.clone()
			s.now.images = slices.DeleteFunc(s.now.images, func(im sketchImage) bool { return broken[im.name] || st.Error != "" })
			s.write(t)
		}
	}
	s.good = s.now
	s.git(t, "add", "-A")
	s.git(t, "commit", "-qm", "the first", "--allow-empty")
	s.settle(t)
}

// mendSteps is for how many steps an image may stay broken in a soak at a pace: a repository
// that builds has more to tell.
const mendSteps = 8

// mend goes back to what could be built when that is no more so for a while.
func (s *soak) mend(t *testing.T) {
	t.Helper()
	if s.daemon.status(t).State == daemon.UpToDate {
		s.failing = 0
		return
	}
	if s.failing++; s.failing%mendSteps == 0 {
		s.did("undo", "to what could be built")
		s.become(t, s.good.clone())
	}
}

// write makes the disk what the repository is to be.
func (s *soak) write(t testing.TB) {
	s.checkout.write(t, s.now)
	base, err := s.engine.Inspect(t.Context(), s.checkout.osRef())
	if err != nil {
		t.Fatal(err)
	}
	s.bases[base.ID] = true
}

// did notes a step.
func (s *soak) did(kind, format string, args ...any) {
	s.kinds[kind]++
	if *soakTell {
		fmt.Println(time.Now().Format("15:04:05.000"), kind, fmt.Sprintf(format, args...))
	}
	s.steps = append(s.steps, fmt.Sprintf("%s %-12s %s", time.Now().Format("15:04:05.000"), kind, fmt.Sprintf(format, args...)))
}

func (s *soak) tally() string {
	var b strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(s.kinds)) {
		fmt.Fprintf(&b, "%6d %s\n", s.kinds[kind], kind)
	}
	return b.String()
}

// tellWhy prints what led to a failure.
func (s *soak) tellWhy(t *testing.T) {
	if !t.Failed() {
		return
	}
	t.Logf("steps since all was well:\n%s", strings.Join(s.steps, "\n"))
	if s.daemon != nil {
		t.Logf("the daemon's log:\n%s", s.daemon.lastLog())
	}
}
