package main

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rebuild/cmd/rebuild/session"
	"rebuild/docker"
	"rebuild/docker/enginetest"
	"rebuild/impact"
)

var (
	oracleSeed      = flag.Uint64("oracle.seed", 0, "seed of the first random repository (0: a new one)")
	oracleRepos     = flag.Int("oracle.repos", 2, "random repositories to judge plans of")
	oracleEdits     = flag.Int("oracle.edits", 5, "random edits of each")
	oracleOnBuilder = flag.Bool("oracle.onbuilder", false, "judge all repositories on REBUILD_TEST_BUILDER, not every fourth")
)

// TestOracle makes random repositories and random edits, and has BuildKit judge
// each plan. A miss is made small and printed as a story. Where REBUILD_TEST_BUILDER is the
// address of a current buildkitd, it judges every fourth repository.
func TestOracle(t *testing.T) {
	e := enginetest.Connect(t)
	seed := *oracleSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1_000_000_000
	}
	busybox := fmt.Sprintf("rebuild-oracle/os:%x", rand.Uint64())
	enginetest.Busybox(t, e, busybox)
	tally := &tally{depths: map[int]int{}, kinds: map[string]*counts{}}
	t.Cleanup(func() { t.Logf("%s", tally) })
	for i := range *oracleRepos {
		s := seed + uint64(i)
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			t.Parallel() // most of the time the engine waits for itself
			o := &oracle{engine: e, busybox: busybox, tally: tally}
			if s%4 == 0 || *oracleOnBuilder {
				o.builder = os.Getenv("REBUILD_TEST_BUILDER")
			}
			o.repository(t, s)
		})
	}
}

// oracle judges the history of one random repository.
type oracle struct {
	engine  *docker.Engine
	busybox string
	builder string // address of the buildkitd that judges, "" for the engine
	tally   *tally
}

func (o *oracle) checkout(t *testing.T) *checkout {
	t.Helper()
	prefix := fmt.Sprintf("rebuild-oracle-%x", rand.Uint64())
	t.Cleanup(func() { removeTags(t, o.engine, prefix) })
	c := newCheckout(t, o.engine, o.busybox, filepath.Join(t.TempDir(), "repo"), prefix)
	git(t, c.dir, "symbolic-ref", "HEAD", "refs/heads/"+prefix) // some images are made of HEAD
	return c
}

func (o *oracle) repository(t *testing.T, seed uint64) {
	t.Logf("go test ./cmd/rebuild -run TestOracle -oracle.seed %d -oracle.repos 1 -oracle.edits %d", seed, *oracleEdits)
	r := rand.New(rand.NewPCG(seed, 1))
	c := o.checkout(t)
	now, j := o.start(t, r, c)
	for range *oracleEdits {
		after, kind := change(r, now, slices.Concat(edits, gitEdits))
		var since *session.Planned
		if kind == bothSides && c.told == 0 { // git looks at everything
			since = o.since(t, r, c, j, now, after)
		} else {
			c.write(t, after)
		}
		v, err := j.judgeNow(t.Context())
		if err != nil { // the definition cannot be planned at all
			o.tally.refuse(kind)
			t.Logf("%s: %v", kind, err)
			c.write(t, now)
			continue
		}
		if since != nil {
			v.holdSince(since)
		}
		o.tally.add(kind, v)
		if misses := v.misses(); len(misses) > 0 {
			t.Errorf("%s: %d misses, first %s: %s", kind, len(misses), misses[0].kind, misses[0].what)
			t.Logf("%s", o.shrink(t, now, after, misses[0].kind))
			return // what follows may only follow from this
		}
		if broken(v) {
			c.write(t, now) // a repository that builds has more to tell
			if _, err := j.judgeNow(t.Context()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		now = after
	}
}

// since commits what now is, and on another branch the same with its definition edited in
// another way. It plans what after changes since both were one.
func (o *oracle) since(t *testing.T, r *rand.Rand, c *checkout, j *judge, now, after *sketch) *session.Planned {
	t.Helper()
	commit := func(s *sketch) {
		c.write(t, s)
		git(t, c.dir, "add", "-A")
		git(t, c.dir, "-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "-qm", "state", "--allow-empty")
	}
	theirs, _ := change(r, now, definitionEdits)
	commit(now)
	commit(theirs)
	git(t, c.dir, "branch", "-f", "theirs")
	git(t, c.dir, "reset", "-q", "HEAD~1")
	commit(now)
	if _, err := j.judgeNow(t.Context()); err != nil { // some images are made of .git, too
		t.Fatal(err)
	}
	c.write(t, after)
	p, err := j.plan(t.Context(), session.Query{All: true, Since: "theirs"})
	if err != nil {
		t.Logf("plan --since: %v", err)
	}
	return p
}

func broken(v *verdict) bool {
	return slices.ContainsFunc(v.images, func(im imageVerdict) bool { return im.failed != nil || im.plan.Err != nil })
}

// start finds a repository whose images can all be built, and builds it: images
// that cannot be are taken out.
func (o *oracle) start(t *testing.T, r *rand.Rand, c *checkout) (*sketch, *judge) {
	t.Helper()
	j := newJudge(c.dir)
	j.builder = o.builder
	for {
		s := generate(r, o.builder != "")
		for len(s.images) > 0 {
			c.write(t, s)
			v, err := j.judgeNow(t.Context())
			if err != nil {
				t.Logf("%v", err)
				break
			}
			for _, m := range v.misses() {
				t.Errorf("first build: %s: %s\n%s", m.kind, m.what, story(nil, s))
			}
			if !broken(v) {
				o.tally.depth(depth(v))
				return s, j
			}
			s = s.clone()
			s.images = slices.DeleteFunc(s.images, func(im sketchImage) bool {
				iv := v.image(im.name)
				return iv.failed != nil || iv.plan.Err != nil
			})
		}
	}
}

// depth is how many images stand on each other at most.
func depth(v *verdict) int {
	deep, most := map[string]int{}, 0
	for _, im := range v.images { // parents first
		for _, p := range im.plan.Parents {
			deep[im.plan.Name] = max(deep[im.plan.Name], deep[p])
		}
		deep[im.plan.Name]++
		most = max(most, deep[im.plan.Name])
	}
	return most
}

// tally counts over all repositories, by kind of edit.
type tally struct {
	mu     sync.Mutex // guards all below
	depths map[int]int
	kinds  map[string]*counts
}

type counts struct {
	edits, refused      int
	images, rebuilt     int
	notJudged           int // of images
	layers, invalidated int
	byKind              map[string]int
	notComparable       map[string]int
}

// of is called with the lock held.
func (t *tally) of(kind string) *counts {
	c := t.kinds[kind]
	if c == nil {
		c = &counts{byKind: map[string]int{}, notComparable: map[string]int{}}
		t.kinds[kind] = c
	}
	return c
}

// depth counts a repository, by how many of its images stand on each other.
func (t *tally) depth(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.depths[n]++
}

func (t *tally) refuse(kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of(kind).refused++
}

func (t *tally) add(kind string, v *verdict) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.of(kind)
	c.edits++
	for _, im := range v.images {
		c.images++
		if im.plan.Action == impact.Rebuild {
			c.rebuilt++
		}
		if !im.plan.Judged {
			c.notJudged++
		}
		if im.unrepeated {
			c.notComparable["an image built once more from the same state was another"]++
		}
		for _, l := range im.layers {
			c.layers++
			if l.State == impact.Invalidated {
				c.invalidated++
				if !l.ran && l.notComparable != "" {
					c.notComparable[l.notComparable]++
				}
			}
		}
		for _, m := range im.misses {
			c.byKind[m.kind]++
		}
	}
}

func (c *counts) row(kind string) string {
	return fmt.Sprintf("%-16s %6d %7d %8d %11d %7d %11d %13d %18d %11d %20d %8d %7d", kind, c.edits, c.images, c.rebuilt, c.notJudged, c.layers, c.invalidated,
		c.byKind[falseCached], c.byKind[falseInvalidated], c.byKind[falseKept], c.byKind[falseRebuilt], c.byKind[errorNotPredicted]+c.byKind[errorNotFound], c.refused)
}

// String is the table of all kinds of edits.
func (t *tally) String() string {
	var b strings.Builder
	repos := 0
	for _, depth := range slices.Sorted(maps.Keys(t.depths)) {
		repos += t.depths[depth]
		fmt.Fprintf(&b, "%d repositories with images %d deep\n", t.depths[depth], depth)
	}
	fmt.Fprintf(&b, "%d repositories\n%-16s %6s %7s %8s %11s %7s %11s %13s %18s %11s %20s %8s %7s\n", repos,
		"edit", "edits", "images", "rebuilt", "not judged", "layers", "invalidated", "false cached", "false invalidated", "false kept", "rebuilt for nothing", "errors", "refused")
	sum := &counts{byKind: map[string]int{}, notComparable: map[string]int{}}
	for _, kind := range slices.Sorted(maps.Keys(t.kinds)) {
		c := t.kinds[kind]
		fmt.Fprintln(&b, c.row(kind))
		sum.edits, sum.refused = sum.edits+c.edits, sum.refused+c.refused
		sum.images, sum.rebuilt, sum.notJudged = sum.images+c.images, sum.rebuilt+c.rebuilt, sum.notJudged+c.notJudged
		sum.layers, sum.invalidated = sum.layers+c.layers, sum.invalidated+c.invalidated
		for k, n := range c.byKind {
			sum.byKind[k] += n
		}
		for k, n := range c.notComparable {
			sum.notComparable[k] += n
		}
	}
	fmt.Fprintln(&b, sum.row("all"))
	for _, why := range slices.Sorted(maps.Keys(sum.notComparable)) {
		fmt.Fprintf(&b, "not comparable, of what was predicted to run: %d: %s\n", sum.notComparable[why], why)
	}
	return b.String()
}
