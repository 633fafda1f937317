package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rebuild/docker"
	"rebuild/docker/record"
	"rebuild/docker/run"
	"rebuild/impact"
	"rebuild/watch"
)

// world is a repository with its engine and its watcher, in memory: all that a daemon
// works on. What a file holds says what becomes of a build of its image:
//
//	fail      the build fails
//	fault     the image cannot be built (a Dockerfile half typed)
//	restless  its build is not kept, so that the next plan asks for it again
//	x#y       another state than x, that comes out the same
type world struct {
	t *testing.T

	hints     chan watch.Batch // to the watcher
	polling   string           // why it polls; "": it does not
	watchFail chan error

	mu           sync.Mutex // guards all below
	images       []image
	files        map[string]string
	written      map[string]time.Time
	broken       string        // why the definition cannot be read
	down         bool          // the engine
	holder       Holder        // of the run's lock
	lockFree     chan struct{} // closed when it is given up
	runError     error         // what a run ends with before it builds
	cannot       string        // what a planning fails with that reads nothing
	supersede    bool          // a newer state stops a build
	unsettled    int           // how many plannings find a file that is being written
	warns        []string      // of plannings
	runWarns     []string
	commandFails error

	planTime, buildTime, saveTime, commandTime time.Duration

	records   map[string]built
	saves     int // of records
	runs      int
	madeAt    map[*impact.Snapshot]int // the saves that a planning knew of
	plannings []*planning
	planning  bool
	running   bool
	began     []string // "app", per build
	log       []buildLog
	onBuilt   func(buildLog) // told of each build, with mu held
	ran       []string       // commands
	events    []Event
	sets      [][]string
	idles     int
	gone      error // what Check says
}

type image struct {
	name     string
	files    []string
	parents  []string
	phase    int
	command  string
	critical bool
}

// built is what the last build of an image left.
type built struct {
	text          string
	state, output impact.Digest
	parents       map[string]impact.Digest
	failed        impact.Digest // the state that could not be built
	at            time.Time
	save          int // counts up
}

// buildLog is a build that came to its end.
type buildLog struct {
	image   string
	text    string
	state   impact.Digest
	status  run.Status
	edited  bool
	parents map[string]impact.Digest
	at      time.Time
	touched time.Time // the last write before it began, to its files or those below
}

// lastWrite is when a file of an image, or of one that it stands on, was written last.
func (w *world) lastWrite(im image) (at time.Time) {
	for _, f := range im.files {
		if w.written[f].After(at) {
			at = w.written[f]
		}
	}
	for _, p := range im.parents {
		if below := w.lastWrite(w.image(p)); below.After(at) {
			at = below
		}
	}
	return at
}

// planning counts how a Planned is used.
type planning struct {
	closed, saved int
	readers       int // runs that build from it
}

func newWorld(t *testing.T, images ...image) *world {
	w := &world{
		t: t, images: images, files: map[string]string{}, written: map[string]time.Time{}, records: map[string]built{}, madeAt: map[*impact.Snapshot]int{},
		hints: make(chan watch.Batch), watchFail: make(chan error), supersede: true,
		planTime: 10 * time.Millisecond, buildTime: time.Second, saveTime: time.Millisecond, commandTime: time.Second,
	}
	for _, im := range images {
		for _, f := range im.files {
			w.files[f] = "one"
		}
	}
	return w
}

const root = "/r"

func full(file string) string { return path.Join(root, file) }

// options are those of a daemon that works on the world.
func (w *world) options() Options {
	return Options{
		Root: root, Marks: w.t.TempDir() + "/marks", PID: 7, Started: time.Now(),
		Plan: w.plan, Watch: w.watch, Command: w.command, Events: w.event,
		Check: func() error { return locked(w, func() error { return w.gone }) },
		Idle:  func() { w.set(func() { w.idles++ }) },
	}
}

func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func locked[T any](w *world, f func() T) T {
	w.mu.Lock()
	defer w.mu.Unlock()
	return f()
}

func (w *world) event(e Event) { w.set(func() { w.events = append(w.events, e) }) }

// write changes a file, and has the watcher tell.
func (w *world) write(file, text string) {
	w.set(func() { w.files[file], w.written[file] = text, time.Now() })
	w.touch(full(file))
}

func (w *world) touch(paths ...string) { w.hints <- watch.Batch{Paths: paths} }

// watch stands in for watch.Run: it gathers hints while no batch is received, and
// reports each folder that it begins to watch.
func (w *world) watch(ctx context.Context, folders <-chan []string, batches chan<- watch.Batch, notice func(watch.Mode)) error {
	defer close(batches)
	var set []string
	pending, lost := map[string]bool{}, false
	for {
		var out chan<- watch.Batch
		var batch watch.Batch
		if len(pending) > 0 || lost {
			out, batch = batches, watch.Batch{Paths: slices.Sorted(maps.Keys(pending)), Lost: lost, First: time.Now()}
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-w.watchFail:
			return err
		case out <- batch:
			clear(pending)
			lost = false
		case h := <-w.hints:
			for _, p := range h.Paths {
				pending[p] = true
			}
			lost = lost || h.Lost
		case next := <-folders:
			if set == nil {
				notice(watch.Mode{Folders: len(next), Polling: w.polling != "", Why: w.polling})
			}
			for _, dir := range next {
				if !slices.Contains(set, dir) {
					pending[dir] = true
				}
			}
			set = next
			w.set(func() { w.sets = append(w.sets, next) })
		}
	}
}

// text is what an image's files hold.
func (w *world) text(im image) string {
	var all strings.Builder
	for _, f := range im.files {
		all.WriteString(w.files[f] + "\n")
	}
	return all.String()
}

// output is what comes out of a text, on parents' outputs.
func output(text string, parents map[string]impact.Digest) impact.Digest {
	var parts []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		parts = append(parts, line)
	}
	for _, p := range slices.Sorted(maps.Keys(parents)) {
		parts = append(parts, string(parents[p]))
	}
	return impact.DigestOf("output", parts...)
}

// snapshot is what there is now of the images of a catalog.
func (w *world) snapshot(names []string) *impact.Snapshot {
	s := &impact.Snapshot{States: map[string]*impact.State{}}
	for _, im := range w.images {
		if !slices.Contains(names, im.name) {
			continue
		}
		st := &impact.State{Name: im.name, Def: impact.Definition{Text: impact.Digest(w.text(im))}}
		parts := []string{w.text(im)}
		for _, p := range im.parents {
			st.Parents = append(st.Parents, impact.Parent{Image: p})
			if parent := s.States[p]; parent != nil {
				parts = append(parts, string(parent.Output))
			}
		}
		st.Output = impact.DigestOf("text", parts...)
		s.States[im.name] = st
		s.Order = append(s.Order, im.name)
		s.Catalog.Images = append(s.Catalog.Images, impact.Image{Name: im.name, Tags: []string{"t/" + im.name}, OnSuccess: im.command})
	}
	return s
}

// plan stands in for a planning: it sees the files as they are when it begins.
func (w *world) plan(ctx context.Context, good *impact.Catalog) *Planned {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.planning {
		w.t.Error("two plannings at once")
	}
	w.planning = true
	defer func() { w.planning = false }()
	made := time.Now()
	p := &Planned{Made: made, FoldersRead: w.folders(), Warnings: slices.Clone(w.warns)}
	use := &planning{}
	w.plannings = append(w.plannings, use)
	p.Close = func() {
		w.set(func() {
			if use.closed++; use.closed > 1 {
				w.t.Error("a planning is closed twice")
			}
			if use.readers > 0 {
				w.t.Error("a planning is closed while a run builds from it")
			}
		})
	}
	p.Save = func() error {
		time.Sleep(locked(w, func() time.Duration { return w.saveTime }))
		w.set(func() {
			if use.saved++; use.closed > 0 {
				w.t.Error("a planning is closed before it has saved")
			}
		})
		return nil
	}
	var names []string
	for _, im := range w.images {
		names = append(names, im.name)
	}
	down, broken, cannot := w.down, w.broken, w.cannot
	if broken != "" && good != nil {
		names = nil
		for _, im := range good.Images {
			names = append(names, im.Name)
		}
	}
	snap := w.snapshot(names)
	w.fill(p, snap)
	unsettled := w.unsettled > 0
	if unsettled {
		w.unsettled--
	}

	planTime := w.planTime
	w.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(planTime):
	}
	w.mu.Lock()

	if broken != "" {
		p.Err = &impact.Fault{Path: "rebuild.yaml", Line: 1, Cause: broken}
	}
	switch {
	case ctx.Err() != nil:
		p.Err = context.Cause(ctx)
	case cannot != "":
		p.Err, p.FoldersRead = errors.New(cannot), nil
	case unsettled:
		p.Err, p.Unsettled = errors.New("a file was written"), true
	case broken != "" && good == nil:
	case down || w.down:
		p.Err = &docker.Unreachable{Host: "fake", Cause: errors.New("down")}
	default:
		p.Run = func(ctx context.Context, b Build) (*run.Report, error) { return w.run(ctx, b, use) }
		return p
	}
	p.Plan = nil
	return p
}

// fill makes the plan of a snapshot against the records.
func (w *world) fill(p *Planned, snap *impact.Snapshot) {
	plan := &impact.Plan{}
	p.Target, p.Built = snap, map[string]time.Time{}
	phases := map[int]*impact.Phase{}
	for _, im := range w.images {
		st := snap.States[im.name]
		if st == nil {
			continue
		}
		ip := impact.ImagePlan{
			Name: im.name, Tags: []string{"t/" + im.name}, Phase: im.phase, Action: impact.Keep, Selected: true, Parents: im.parents,
			Layers: []impact.LayerPlan{{Index: 1, Dockerfile: "Dockerfile", Line: 2, Instruction: "RUN make", Name: "[1/1] RUN make"}},
		}
		rec, known := w.records[im.name]
		if known {
			p.Built[im.name] = rec.at
		}
		state := record.StateDigest(st)
		if rec.failed == state {
			ip.Reasons = append(ip.Reasons, impact.Reason{Kind: impact.ReasonFailed})
		}
		if rec.state == "" || rec.text != w.text(im) {
			ip.Reasons = append(ip.Reasons, impact.Reason{Kind: impact.ReasonFile, Path: im.files[0], Layer: 1})
		}
		for _, parent := range im.parents {
			pp := plan.Image(parent)
			if pp != nil && pp.Action == impact.Rebuild || w.records[parent].output != rec.parents[parent] || rec.state != state {
				ip.Reasons = append(ip.Reasons, impact.Reason{Kind: impact.ReasonParent, Image: parent})
			}
		}
		if strings.Contains(w.text(im), "fault") {
			ip.Err = &impact.Fault{Path: "Dockerfile", Line: 3, Cause: "half typed"}
		}
		if len(ip.Reasons) > 0 {
			ip.Action = impact.Rebuild
			estimate := 2.0
			ip.Estimate = &estimate
			if phases[im.phase] == nil {
				phases[im.phase] = &impact.Phase{Name: fmt.Sprint(im.phase), Critical: im.critical}
			}
			phases[im.phase].Images = append(phases[im.phase].Images, im.name)
		}
		plan.Images = append(plan.Images, ip)
	}
	for _, i := range slices.Sorted(maps.Keys(phases)) {
		plan.Phases = append(plan.Phases, *phases[i])
	}
	w.madeAt[snap] = w.saves
	p.Plan = plan
	p.Job = run.Job{Plan: plan, States: snap, Made: p.Made}
}

func (w *world) folders() []string {
	dirs := []string{root}
	for f := range w.files {
		dirs = append(dirs, path.Dir(full(f)))
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

func (w *world) image(name string) image {
	i := slices.IndexFunc(w.images, func(im image) bool { return im.name == name })
	if i < 0 {
		return image{name: name}
	}
	return w.images[i]
}

// run stands in for a run: it builds an image at a time, and keeps records.
func (w *world) run(ctx context.Context, b Build, use *planning) (report *run.Report, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running {
		w.t.Error("two runs at once")
	}
	w.running = true
	w.runs++
	defer func() { w.running = false }()
	use.readers++
	defer func() { use.readers-- }()
	if free := w.lockFree; free != nil {
		holder := w.holder
		w.mu.Unlock()
		b.Waits(holder)
		select {
		case <-free:
			err = ErrWaited
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		w.mu.Lock()
		return nil, err
	}
	if w.runError != nil {
		return nil, w.runError
	}
	r := &worldRun{w: w, b: b, job: b.Job, done: map[string]run.Status{}, report: &run.Report{Warnings: w.runWarns}}
	for err == nil {
		name := r.next()
		if name == "" {
			return r.report, nil
		}
		err = r.build(ctx, name)
	}
	return r.report, err
}

// worldRun is a run that goes on. It holds the world's lock but while it waits.
type worldRun struct {
	w      *world
	b      Build
	job    run.Job
	done   map[string]run.Status // of the newest job
	report *run.Report
}

// next is the image to build now, "" when nothing is left. It settles those that need
// no build.
func (r *worldRun) next() string {
	for {
		name := r.w.nextOf(r)
		if name == "" {
			return ""
		}
		ip := r.job.Plan.Image(name)
		bad := slices.ContainsFunc(ip.Parents, func(p string) bool {
			return slices.Contains([]run.Status{run.Failed, run.Skipped, run.Superseded}, r.done[p])
		})
		rec := r.w.records[name]
		switch {
		case bad:
			r.settle(run.Outcome{Image: name, Status: run.Skipped})
		case rec.save > r.w.madeAt[r.job.States] && rec.state == record.StateDigest(r.job.States.States[name]) && maps.Equal(rec.parents, r.w.outputs(ip.Parents)):
			r.settle(run.Outcome{Image: name, Status: run.Kept}) // the run built it since the job was planned
		case ip.WaitsOnly() && rec.state != "" && maps.Equal(rec.parents, r.w.outputs(ip.Parents)):
			rec.state = record.StateDigest(r.job.States.States[name])
			r.w.records[name] = rec
			r.settle(run.Outcome{Image: name, Status: run.CutOff})
		default:
			return name
		}
	}
}

func (w *world) nextOf(r *worldRun) string {
	stop := slices.ContainsFunc(w.images, func(im image) bool { return im.critical && r.done[im.name] == run.Failed })
	for _, name := range r.job.States.Order {
		if ip := r.job.Plan.Image(name); ip.Selected && ip.Action == impact.Rebuild && r.done[name] == "" && !stop {
			return name
		}
	}
	return ""
}

func (w *world) outputs(images []string) map[string]impact.Digest {
	m := map[string]impact.Digest{}
	for _, p := range images {
		m[p] = w.records[p].output
	}
	return m
}

func (r *worldRun) settle(o run.Outcome) {
	r.done[o.Image] = o.Status
	r.tell(o)
}

func (r *worldRun) tell(o run.Outcome) {
	r.report.Outcomes = append(r.report.Outcomes, o)
	r.w.mu.Unlock()
	r.b.Observe(o.Image, nil, &o)
	r.w.mu.Lock()
}

// build builds one image of the newest job, as far as that stays the newest.
func (r *worldRun) build(ctx context.Context, name string) error {
	w, im := r.w, r.w.image(name)
	state, planned := record.StateDigest(r.job.States.States[name]), string(r.job.States.States[name].Def.Text)
	text, begun, parents, touched := w.text(im), time.Now(), w.outputs(im.parents), w.lastWrite(im)
	if ip := r.job.Plan.Image(name); ip.Err != nil {
		r.settle(run.Outcome{Image: name, Status: run.Failed, Err: ip.Err})
		return nil
	}
	w.began = append(w.began, name)
	w.mu.Unlock()
	r.b.Observe(name, docker.NewStepLog(), nil)
	over := time.After(w.buildTime)
	current := true
	for waits := true; waits; {
		select {
		case <-ctx.Done():
			w.mu.Lock()
			r.tell(run.Outcome{Image: name, Status: run.Cancelled})
			return context.Cause(ctx)
		case j := <-r.b.Updates:
			r.job, r.done = j, map[string]run.Status{}
			st := j.States.States[name]
			current = st != nil && record.StateDigest(st) == state
			if !current && locked(w, func() bool { return w.supersede }) {
				w.mu.Lock()
				r.tell(run.Outcome{Image: name, Status: run.Superseded})
				return nil
			}
		case <-over:
			waits = false
		}
	}
	w.mu.Lock()
	o := run.Outcome{Image: name, State: state, Duration: time.Since(begun)}
	if w.down {
		o.Status, o.Err = run.Failed, &docker.Unreachable{Host: "fake", Cause: errors.New("down")}
		r.tell(o)
		return o.Err
	}
	o.Edited = w.text(im) != planned
	for _, f := range im.files {
		o.Edited = o.Edited || w.written[f].After(begun)
	}
	rec := w.records[name]
	if strings.Contains(text, "fail") {
		rec.failed = state
		o.Status, o.Err = run.Failed, &docker.BuildFailure{
			Image: name, Dockerfile: "Dockerfile", Line: 2, Step: "[1/1] RUN make", Cause: errors.New("exit\n code 1"), LastLog: []string{"make: no rule"},
		}
	} else {
		w.saves++
		rec = built{text: text, state: state, output: output(text, parents), parents: parents, at: time.Now(), save: w.saves}
		if o.Edited || strings.Contains(text, "restless") {
			rec.state = ""
		}
		o.Status, o.Result = run.Built, &docker.Result{ImageID: "id-" + name}
	}
	w.records[name] = rec
	log := buildLog{name, text, state, o.Status, o.Edited, parents, time.Now(), touched}
	w.log = append(w.log, log)
	if w.onBuilt != nil {
		w.onBuilt(log)
	}
	if current {
		r.settle(o)
	} else {
		r.tell(o)
	}
	return nil
}

func (w *world) command(ctx context.Context, c Command) ([]string, error) {
	var err error
	var takes time.Duration
	w.set(func() {
		w.ran = append(w.ran, c.Line)
		err, takes = w.commandFails, w.commandTime
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(takes):
		return []string{"said"}, err
	}
}
