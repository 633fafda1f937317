package daemon

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"rebuild/docker/run"
	"rebuild/impact"
	"rebuild/watch"
)

// loop is the heart of a daemon. One goroutine, that of run, owns its fields; what
// takes time (planning, builds, commands) happens in others, which only send.
type loop struct {
	Options
	commands *commandQueue

	// Messages to the loop.
	batches  <-chan watch.Batch
	planned  chan *attempt
	observed chan observation
	runEnded chan runEnd
	calls    chan func()

	folders chan []string // to the watcher

	others sync.WaitGroup // plannings and runs

	// What is to be done.
	dirty    bool // something may have changed since the newest planning began
	planning bool
	outdated bool // since the planning began, a run ended, or the daemon went on after a pause
	paused   bool
	ready    bool     // there was a plan
	read     []string // the folders that plannings read
	unsent   []string // the set that the watcher does not have yet
	watched  int      // folders of the set that it has
	mode     watch.Mode
	retry    <-chan time.Time
	backoff  time.Duration

	// What is known.
	newest  *attempt // the last that led to a plan
	good    *impact.Catalog
	active  *activeRun
	waiting map[string]waiting // images that wait for another state
	repeats map[string]int     // builds in a row with no batch between
	builds  map[string]*ongoing
	failed  map[string]Failure // those that wait because of it
	unwell  map[string]bool    // images whose last build failed, and that were not up to date since
	builtAt map[string]time.Time
	away    error // why the engine cannot be reached
	broken  error // why the definition cannot be read
	stuck   error // why the last run could not begin or go on
	news    news

	unallowed map[string]string // commands of which was said that they are not run, by image

	waiters []*waiter
}

const (
	firstRetry = time.Second // when the engine is away, or a run cannot begin
	lastRetry  = 5 * time.Second
	maxRepeats = 3 // builds of an image in a row, with no change between, before it is left alone
)

func newLoop(o Options, batches <-chan watch.Batch) *loop {
	if o.Events == nil {
		o.Events = func(Event) {}
	}
	return &loop{
		Options: o, commands: newCommandQueue(o.Command, o.Events),
		batches: batches, planned: make(chan *attempt), observed: make(chan observation),
		runEnded: make(chan runEnd), calls: make(chan func()), folders: make(chan []string),
		waiting: map[string]waiting{}, repeats: map[string]int{}, builds: map[string]*ongoing{},
		failed: map[string]Failure{}, unwell: map[string]bool{}, builtAt: map[string]time.Time{}, news: newNews(o.Events),
	}
}

// run works until ctx ends, which stop does. The error is the context's cause.
func (l *loop) run(ctx context.Context, stop context.CancelCauseFunc) error {
	check := time.NewTicker(CheckEvery)
	defer check.Stop()
	rested := false
	l.dirty = true
	for ctx.Err() == nil {
		l.plan(ctx)
		l.answerWaiters()
		rested = rested && l.idle()
		folders, updates, update := l.outgoing()
		select {
		case <-ctx.Done():
		case b, ok := <-l.batches:
			if !ok {
				l.batches = nil // the watcher's error ends ctx
				continue
			}
			l.take(b)
		case a := <-l.planned:
			l.adopt(ctx, a)
		case o := <-l.observed:
			l.observe(o)
		case end := <-l.runEnded:
			l.endRun(ctx, end)
		case call := <-l.calls:
			call()
		case folders <- l.unsent:
			l.watched, l.unsent = len(l.unsent), nil
		case updates <- update:
			l.active.newer = nil
		case <-l.retry:
			l.retry, l.dirty = nil, true
		case <-check.C:
			if !rested && l.idle() {
				rested = true
				if l.Idle != nil {
					l.Idle()
				}
			}
			if l.Check != nil {
				if err := l.Check(); err != nil {
					stop(err)
				}
			}
		}
	}
	l.shutDown(ctx)
	return context.Cause(ctx)
}

// outgoing gives the channels that there is something to send on.
func (l *loop) outgoing() (folders chan<- []string, updates chan<- run.Job, update run.Job) {
	if l.unsent != nil {
		folders = l.folders
	}
	if l.active != nil && l.active.newer != nil {
		updates, update = l.active.updates, *l.active.newer
	}
	return folders, updates, update
}

// shutDown waits for what was begun, which ctx has told to end.
func (l *loop) shutDown(ctx context.Context) {
	for l.active != nil || l.planning {
		select {
		case a := <-l.planned:
			l.planning = false
			a.release()
		case o := <-l.observed:
			l.observe(o)
		case end := <-l.runEnded:
			l.endRun(ctx, end)
		}
	}
	if l.newest != nil {
		l.newest.release()
	}
	l.others.Wait()
}

// watchedBy notes the way of watching.
func (l *loop) watchedBy(m watch.Mode) {
	if l.mode != m {
		l.mode = m
		l.Events(Watching{m})
	}
}

// take notes that something happened. A marker that was written before its folder was
// watched comes with the folder; one that goes is no reason to plan.
func (l *loop) take(b watch.Batch) {
	if b.Lost {
		l.Events(EventsLost{})
	}
	onlyMarks, asked := !b.Lost, false
	for _, p := range b.Paths {
		onlyMarks = onlyMarks && (p == l.Marks || filepath.Dir(p) == l.Marks)
	}
	for _, w := range l.waiters {
		_, found := slices.BinarySearch(b.Paths, w.mark)
		if _, placed := slices.BinarySearch(b.Paths, l.Marks); !found && (placed || b.Lost) {
			_, err := os.Lstat(w.mark)
			found = err == nil
		}
		asked = asked || found && !w.seen
		w.seen = w.seen || found
	}
	l.dirty = l.dirty || asked || !onlyMarks
	if !onlyMarks {
		clear(l.repeats)
	}
}

// tryAgain plans again after a while.
func (l *loop) tryAgain() {
	l.backoff = min(max(2*l.backoff, firstRetry), lastRetry)
	l.retry = time.After(l.backoff)
}

// idle tells whether all that can be up to date is.
func (l *loop) idle() bool {
	if l.dirty || l.planning || l.active != nil || l.away != nil || l.stuck != nil {
		return false
	}
	return l.newest == nil && l.broken != nil || l.ready && len(l.newest.todo()) == 0
}

// pause begins nothing more, until it is taken back.
func (l *loop) pause(on bool) {
	if l.paused == on {
		return
	}
	l.paused, l.dirty = on, true
	if on {
		l.Events(Paused{})
	} else {
		// A planning takes seconds where the engine is slow to list its images. What it
		// saw during a pause, or before, may be gone.
		l.outdated = l.outdated || l.planning
		l.Events(Resumed{})
	}
}
