package run_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	digest "github.com/opencontainers/go-digest"

	"rebuild/docker"
	"rebuild/impact"
)

// double is a run.Builder in memory, with a cache and a store of images as an engine
// has them. It builds from a small language, a line each:
//
//	FROM image      its files and its config
//	FILES image     its files
//	RUN x 3s        a step that takes a while; x is what it makes, as far as the first "~"
//	RUN x fail      one that fails
//	RUN x random    one that makes something else each time
//	ENV x           config
//
// Where an image is built on another, it takes what has that image's reference when its
// build begins.
type double struct {
	mu     sync.Mutex // guards all below
	images map[string]*stored
	refs   map[string]string // reference -> image id
	cache  map[string]string // key of a step -> what it made
	made   int               // by random steps
	used   map[string]bool   // ids that a container uses
	runs   []span            // of builds, in the order in which they ended
	active map[string]int    // builds under way, by image
	most   int               // builds that were under way at once
	twice  bool              // one image was built twice at once
	asked  int               // for the cache usage
	calls  int               // of Images
	tries  int               // of RemoveUntagged

	stubborn map[string]bool          // images that are made and tagged a while after their build was cancelled
	late     map[string]chan struct{} // those builds that go on, by id; closed at their end
	gone     error                    // what every call fails with: the engine went away
	lost     chan struct{}            // closed by lose
	noList   error                    // what Images fails with
	builder  bool                     // it is a buildkitd: it holds no images
	version  string
	fails    map[string]error   // what builds fail with before they begin, by image
	exports  map[string][]error // what exports fail with, one after another, by image
	entries  []docker.CacheEntry
}

// stored is an image of the store.
type stored struct {
	chain  []string
	config impact.Digest
}

// span is one build.
type span struct {
	image      string
	begun      time.Time
	ended      time.Time
	err        error
	steps      []string // that ran to their end, not from the cache
	interfered bool     // its context ended
}

func newDouble() *double {
	return &double{
		images: map[string]*stored{}, refs: map[string]string{}, cache: map[string]string{}, used: map[string]bool{},
		active: map[string]int{}, stubborn: map[string]bool{}, lost: make(chan struct{}), late: map[string]chan struct{}{}, fails: map[string]error{}, exports: map[string][]error{}, version: "20.10.24",
	}
}

func refOf(image string) string { return "docker.io/library/" + image + ":latest" }

// hash is a short digest of text.
func hash(parts ...string) string {
	return string(impact.DigestOf("double", parts...))[:23]
}

// effect is what a step makes: what follows "~" makes no difference.
func effect(word string) string {
	word, _, _ = strings.Cut(word, "~")
	return word
}

// Build implements run.Builder.
func (d *double) Build(ctx context.Context, req docker.Request) (*docker.Result, error) {
	name := req.Image.Name
	s := span{image: name, begun: time.Now()}
	d.mu.Lock()
	d.active[name]++
	d.twice = d.twice || d.active[name] > 1
	under := 0
	for _, n := range d.active {
		under += n
	}
	d.most = max(d.most, under)
	d.mu.Unlock()

	res, err := d.build(ctx, req, &s)

	d.mu.Lock()
	defer d.mu.Unlock()
	d.active[name]--
	s.ended, s.err, s.interfered = time.Now(), err, ctx.Err() != nil
	d.runs = append(d.runs, s)
	return res, err
}

func (d *double) build(ctx context.Context, req docker.Request, s *span) (*docker.Result, error) {
	d.mu.Lock()
	early := errors.Join(d.fails[s.image], d.gone)
	d.mu.Unlock()
	if early != nil {
		return nil, early
	}
	if ctx.Err() != nil {
		return nil, &docker.Canceled{Image: s.image, Cause: context.Cause(ctx)}
	}
	var (
		chain  []string
		config = []string{}
		key    string
		steps  []docker.Step
		cut    error
		lines  = strings.Split(strings.TrimSpace(string(req.Dockerfile)), "\n")
	)
	for i, line := range lines {
		words := strings.Fields(line)
		switch words[0] {
		case "FROM", "FILES":
			parent := d.image(refOf(words[1]))
			if parent == nil {
				return nil, &docker.BuildFailure{Image: s.image, Line: i + 1, Cause: fmt.Errorf("no image %s", words[1])}
			}
			chain = append(chain, parent.chain...)
			key = hash(append([]string{key, line}, parent.chain...)...)
			if words[0] == "FROM" {
				config = append(config, string(parent.config))
			}
		case "ENV":
			config = append(config, words[1])
		case "RUN":
			key = hash(key, line)
			step := docker.Step{Name: stepName(i, len(lines), line), Line: i + 1, Digest: digest.FromString(s.image + key).String()}
			made, err := effect(words[1]), cut
			if cut == nil {
				made, err = d.step(ctx, req.Progress, &step, key, words, s)
			}
			var canceled *docker.Canceled
			if errors.As(err, &canceled) && d.finishes(s.image) {
				cut, made = err, effect(words[1])
			} else if err != nil {
				return nil, err
			}
			chain = append(chain, made)
			steps = append(steps, step)
		}
	}
	if err := d.exportFails(s.image); err != nil {
		return nil, err
	}
	export := func() *docker.Result {
		return d.export(req, chain, impact.Digest(hash(append(config, "config")...)), steps)
	}
	if cut != nil {
		end := make(chan struct{})
		d.mu.Lock()
		d.late[req.ID] = end
		d.mu.Unlock()
		go func() {
			time.Sleep(time.Second)
			export()
			close(end)
		}()
		return nil, cut
	}
	return export(), nil
}

// Ended implements run.Builder.
func (d *double) Ended(_ context.Context, builds ...string) error {
	for _, id := range builds {
		d.mu.Lock()
		end := d.late[id]
		d.mu.Unlock()
		if end != nil {
			<-end
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gone
}

// finishes tells whether an image is made although its build is cancelled.
func (d *double) finishes(image string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stubborn[image]
}

func stepName(i, n int, line string) string { return fmt.Sprintf("[%d/%d] %s", i+1, n, line) }

// step executes a step, or finds it in the cache.
func (d *double) step(ctx context.Context, show docker.ProgressSink, step *docker.Step, key string, words []string, s *span) (string, error) {
	tell := func() {
		v := &client.Vertex{Digest: digest.Digest(step.Digest), Name: step.Name, Cached: step.Cached, Error: step.Error}
		begun, ended := step.Started, step.Completed
		v.Started = &begun
		if !ended.IsZero() {
			v.Completed = &ended
		}
		show.Write(&client.SolveStatus{Vertexes: []*client.Vertex{v}})
	}
	step.Started = time.Now()
	d.mu.Lock()
	made, cached := d.cache[key]
	d.mu.Unlock()
	tell() // as BuildKit announces it before it asks its cache
	if cached {
		step.Cached, step.Completed = true, time.Now()
		tell()
		return made, nil
	}
	for _, word := range words[2:] {
		took, err := time.ParseDuration(word)
		if err != nil {
			continue
		}
		timer := time.NewTimer(took)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-d.lost:
		case <-ctx.Done():
			return "", &docker.Canceled{Image: s.image, Cause: context.Cause(ctx)}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone != nil {
		return "", d.gone
	}
	if slices.Contains(words, "fail") {
		step.Completed, step.Error = time.Now(), "exit code: 1"
		tell()
		return "", &docker.BuildFailure{Image: s.image, Line: step.Line, Step: step.Name, Cause: errors.New(step.Error)}
	}
	made = effect(words[1])
	if slices.Contains(words, "random") {
		d.made++
		made = fmt.Sprint(made, " ", d.made)
	}
	d.cache[key] = made
	step.Completed = time.Now()
	s.steps = append(s.steps, strings.Join(words, " "))
	tell()
	return made, nil
}

// exportFails is the next fault of an image's export, nil when there is none.
func (d *double) exportFails(image string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	faults := d.exports[image]
	if len(faults) == 0 {
		return nil
	}
	d.exports[image] = faults[1:]
	return faults[0]
}

// export stores and tags what a build made.
func (d *double) export(req docker.Request, chain []string, config impact.Digest, steps []docker.Step) *docker.Result {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := "sha256:" + hash(append([]string{string(config)}, chain...)...)
	d.images[id] = &stored{chain: chain, config: config}
	for _, ref := range req.Refs {
		d.refs[ref] = id
	}
	return &docker.Result{ImageID: id, Chain: chain, Config: config, Steps: steps}
}

func (d *double) image(ref string) *stored {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.images[d.refs[ref]]
}

// Images implements run.Builder.
func (d *double) Images(context.Context) (docker.Images, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if err := errors.Join(d.gone, d.noList); err != nil {
		return docker.Images{}, err
	}
	if d.builder {
		return docker.Images{}, nil
	}
	var list []docker.Image
	for id := range d.images {
		im := docker.Image{ID: id}
		for ref, named := range d.refs {
			if named == id {
				im.Tags = append(im.Tags, ref)
			}
		}
		list = append(list, im)
	}
	return docker.NewImages(list), nil
}

// RemoveUntagged implements run.Builder.
func (d *double) RemoveUntagged(_ context.Context, id string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tries++
	if d.gone != nil {
		return false, d.gone
	}
	for _, named := range d.refs {
		if named == id {
			return false, nil
		}
	}
	if d.used[id] {
		return false, nil
	}
	delete(d.images, id)
	return true, nil
}

// CacheUsage implements run.Builder.
func (d *double) CacheUsage(context.Context) ([]docker.CacheEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	return d.entries, d.gone
}

// Version implements run.Builder.
func (d *double) Version(context.Context) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.version, d.gone
}

// drop removes an image, and prunes the cache.
func (d *double) drop(image string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.refs, refOf(image))
	clear(d.cache)
}

// lose makes the engine go away: each build that runs ends with this, and each call.
func (d *double) lose() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = &docker.Unreachable{Host: "unix:///double", Cause: errors.New("connection refused")}
	close(d.lost)
}

// pushSeen notes whether a build is to push.
type pushSeen struct {
	*double
	pushed *bool
}

// Build implements run.Builder.
func (p *pushSeen) Build(ctx context.Context, req docker.Request) (*docker.Result, error) {
	*p.pushed = req.Push
	return p.double.Build(ctx, req)
}
