package session

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rebuild/docker"
	"rebuild/docker/record"
	"rebuild/impact"
	"rebuild/impact/llb"
)

// engine is what a session knows of its engine: the records of what it built, and the
// images that it holds. For a plan that needs no engine it is asked only when a base
// image was never seen.
type engine struct {
	conn    *docker.Engine
	placed  chan struct{} // closed when dir is known
	dir     string        // of the records of all engines
	id      string        // of the engine whose records these are
	records *record.Store

	asking sync.WaitGroup                  // questions under way
	begin  func(func(ctx context.Context)) // begins one
	stop   func()                          // ends them

	late  func() // tells, once, that an answer takes long
	tardy atomic.Bool

	lookup sync.Mutex // held while one reference is looked up: many images ask for the same

	mu      sync.Mutex
	began   time.Time               // guarded by mu: before the engine was asked what it holds
	holds   *answer                 // guarded by mu: nil: it was not asked
	bases   map[string]impact.Base  // guarded by mu
	shown   map[string]docker.Image // guarded by mu: by id
	assumed []string                // guarded by mu: references that nobody was there to ask about
}

// answer is what the engine says it holds.
type answer struct {
	done   chan struct{} // closed when the rest is there
	images docker.Images
	err    error
}

// Connect prepares what a session that was opened with NoEngine needs to use the engine
// all the same, as with Remembered. It does nothing when that was done.
func (s *Session) Connect(ctx context.Context) error {
	if s.engine != nil {
		return nil
	}
	if err := s.connect(ctx, Remembered); err != nil {
		return err
	}
	s.openRecords(ctx)
	return nil
}

// OnBuilder tells whether images are built on a builder, which takes none from an engine. The
// session is connected.
func (s *Session) OnBuilder() bool { return s.engine.conn.IsBuilder() }

// connect prepares the connection to the engine, and with Asked begins to ask it what it
// is and holds.
func (s *Session) connect(ctx context.Context, use Use) error {
	if use == NoEngine {
		return nil
	}
	conn, err := docker.Connect(ctx, docker.Options{Host: s.place.Host, Context: s.place.Context, Builders: s.place.Builders, Load: s.place.Load, Timeout: s.place.Timeout})
	if err != nil {
		return err
	}
	s.engine = newEngine(ctx, conn)
	s.engine.late = sync.OnceFunc(func() {
		s.engine.tardy.Store(true)
		s.waits()
	})
	if use == Asked {
		s.engine.askAll()
	}
	return nil
}

func newEngine(ctx context.Context, conn *docker.Engine) *engine {
	ctx, stop := context.WithCancel(ctx)
	e := &engine{conn: conn, placed: make(chan struct{}), stop: stop, began: time.Now(), bases: map[string]impact.Base{}, shown: map[string]docker.Image{}, late: func() {}}
	e.begin = func(question func(context.Context)) { e.asking.Go(func() { question(ctx) }) }
	return e
}

// patience is how long an answer is waited for without a word. Nearly all come within a
// tenth of that.
const patience = 2 * time.Second

// waiting begins a wait for an answer; the caller ends it.
func (e *engine) waiting() (end func()) {
	t := time.AfterFunc(patience, e.late)
	return func() { t.Stop() }
}

// GaveUp is why the engine told nothing, after it had been waited for; else nil. Who only
// looks goes on without.
func (s *Session) GaveUp() error {
	e := s.engine
	if e == nil || !e.tardy.Load() {
		return nil
	}
	e.mu.Lock()
	a := e.holds
	e.mu.Unlock()
	if a == nil {
		return nil
	}
	select {
	case <-a.done:
		return a.err
	default:
		return nil
	}
}

// ask begins to ask what the engine holds.
func (e *engine) ask() *answer {
	a := &answer{done: make(chan struct{})}
	e.begin(func(ctx context.Context) {
		defer close(a.done)
		a.images, a.err = e.list(ctx)
	})
	return a
}

// askAll begins to ask all that a run needs to know.
func (e *engine) askAll() {
	e.begin(func(ctx context.Context) { _, _ = e.conn.ID(ctx) }) // asked again, it answers at once
	e.mu.Lock()
	defer e.mu.Unlock()
	e.holds = e.ask()
}

// close ends all questions, and the connection.
func (e *engine) close() {
	e.stop()
	e.asking.Wait()
	_ = e.conn.Close() // nothing more is asked
}

// images lists what the engine holds; it is asked once.
func (e *engine) images(ctx context.Context) (docker.Images, error) {
	e.mu.Lock()
	if e.holds == nil {
		e.holds = e.ask()
	}
	a := e.holds
	e.mu.Unlock()
	defer e.waiting()()
	select {
	case <-a.done:
		return a.images, a.err
	case <-ctx.Done():
		return docker.Images{}, context.Cause(ctx)
	}
}

// refresh forgets what the engine held: another run may have changed it.
func (e *engine) refresh() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.bases)
	e.began = time.Now()
	e.holds = e.ask()
}

// asOf is a time before all that is known of the engine was asked.
func (e *engine) asOf() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.began
}

// noEngine is the name of the records where no engine ever was.
const noEngine = "none"

// openRecords finds the records of the engine: of the one used last, which confirm makes
// sure of, since its answer takes as long as a whole plan. Without one the engine
// must say who it is; if it cannot, there are no records.
func (s *Session) openRecords(ctx context.Context) {
	e := s.engine
	if e == nil {
		return
	}
	e.dir = s.recordsDir()
	close(e.placed)
	e.id = record.LastEngine(e.dir)
	if e.id == "" {
		end := e.waiting()
		id, err := e.conn.ID(ctx)
		end()
		if err != nil {
			id = noEngine
			e.mu.Lock()
			e.holds = &answer{done: make(chan struct{}), err: err} // it would say the same
			close(e.holds.done)
			e.mu.Unlock()
		}
		e.id = id
	}
	e.records = record.Open(e.dir, e.id)
}

func (s *Session) recordsDir() string { return filepath.Join(s.State, "records") }

// LogFile is where the log of an image's last build lies, on the engine that was used
// last: of a run, a daemon, or the check of a push. When there is none, it is where that of
// a run would be.
func (s *Session) LogFile(image string) string {
	dir := s.recordsDir()
	id := record.LastEngine(dir)
	file := record.Open(dir, id).LogFile(image)
	pushed := record.Open(s.pushDir(), id).LogFile(image)
	if at, err := os.Stat(pushed); err == nil {
		if of, err := os.Stat(file); err != nil || of.ModTime().Before(at.ModTime()) {
			return pushed
		}
	}
	return file
}

// confirm asks the engine who it is. When it is not the one whose records were
// opened, those of the right one are, and what was made of the others is void.
func (e *engine) confirm(ctx context.Context) (same bool, err error) {
	defer e.waiting()()
	id, err := e.conn.ID(ctx)
	if err != nil || id == e.id {
		return true, err
	}
	e.id, e.records = id, record.Open(e.dir, id)
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.bases)
	e.assumed = nil
	return false, nil
}

// external says what a reference from outside the catalog stands for, as it was
// last seen; asking the engine only when it was never seen, or with ask.
func (e *engine) external(ask bool) impact.Resolve {
	return func(ctx context.Context, ref, platform string) (impact.Base, error) {
		e.lookup.Lock()
		defer e.lookup.Unlock()
		e.mu.Lock()
		b, ok := e.bases[ref]
		e.mu.Unlock()
		if ok {
			return b, nil
		}
		b, assumed := e.base(ctx, ref, platform, ask)
		if ctx.Err() != nil {
			// The frontend asks for several images at once and, when one of them is no
			// answer yet, gives up the others: what was found then must not be
			// remembered, as it may be what a record says, and not the engine. The cause
			// is the error of that one, to which the frontend adds where it came from: it
			// is not ours to give to another.
			return impact.Base{}, ctx.Err()
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		if assumed {
			e.assumed = append(e.assumed, ref)
		}
		e.bases[ref] = b
		return b, nil
	}
}

// base finds out what a reference stands for; assumed tells that nobody was there to ask.
func (e *engine) base(ctx context.Context, ref, platform string, ask bool) (b impact.Base, assumed bool) {
	if !ask {
		if im, ok := e.records.Base(ref); ok {
			return knownBase(im), false
		}
	}
	if e.conn.IsBuilder() { // which takes none from the engine that it loads into
		return llb.AssumedBase(ref, platform), false
	}
	images, err := e.images(ctx)
	if err != nil {
		if im, ok := e.records.Base(ref); ok {
			return knownBase(im), false
		}
		return llb.AssumedBase(ref, platform), true
	}
	id := images.ID(ref)
	if id == "" {
		return llb.AssumedBase(ref, platform), false
	}
	im, ok := e.records.BaseByID(id)
	if !ok {
		found, err := e.conn.Inspect(ctx, id)
		if err != nil {
			return llb.AssumedBase(ref, platform), false
		}
		im = record.BaseImage{ID: found.ID, Config: found.Config, Chain: found.Chain}
	}
	_ = e.records.PutBase(ref, im) // what is not kept costs a call, no more
	return knownBase(im), false
}

func knownBase(im record.BaseImage) impact.Base {
	key := impact.DigestOf("chain", im.Chain...)
	return impact.Base{Config: llb.BaseConfig(im.Config, key), Key: key, Known: true}
}

// assumptions are the external images that nobody was there to ask about, sorted.
func (e *engine) assumptions() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := slices.Clone(e.assumed)
	slices.Sort(list)
	return slices.Compact(list)
}

// baseFiles lists the files that know the external images of a plan; ok is false when
// the engine was needed, or would be.
func (e *engine) baseFiles() (files []string, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.bases) > 0 && record.LastEngine(e.dir) != e.id {
		return nil, false
	}
	files = append(files, record.LastEngineFile(e.dir))
	for ref := range e.bases {
		if _, known := e.records.Base(ref); !known {
			return nil, false
		}
		files = append(files, e.records.BaseFiles(ref)...)
	}
	slices.Sort(files)
	return slices.Compact(files), true
}
