package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"rebuild/docker"
	"rebuild/impact"
	"rebuild/watch"
)

// daemon keeps images up to date. One goroutine, that of loop, owns its fields; what
// takes time (planning, builds, commands) happens in others, which only send.
//
// An event says where to look, no more: each batch leads to a plan, and only a plan
// to builds. So nothing is lost when events are, as long as one batch follows.
type daemon struct {
	flags     *flags
	args      []string
	root      string // of the working tree
	state     string // the folder of records
	marks     string // the folder of markers, which is watched too
	story     *teller
	noCatchUp bool
	pid       int
	started   time.Time

	// Messages to the loop.
	batches  <-chan watch.Batch
	planned  chan *attempt
	observed chan observation
	runDone  chan runEnd
	calls    chan func()
	commands *afterwards

	folders chan []string // to the watcher

	// What is to be done.
	dirty    bool // something may have changed since the newest planning began
	planning bool
	outdated bool // a run ended since the planning began
	paused   bool
	ready    bool     // the first planning is over
	looked   []string // the folders in which plannings looked
	unsent   []string // the set that the watcher does not have yet
	watched  int      // folders of the set that it has
	mode     watch.Mode
	retry    <-chan time.Time
	backoff  time.Duration

	// What is known.
	newest  *attempt // the last that led to a plan
	good    *impact.Catalog
	memos   memos
	run     *activeRun
	held    map[string]hold     // images that wait for a change that touches them
	again   map[string]int      // builds in a row with no batch between
	build   map[string]*ongoing // images that are being built
	failed  map[string]failedImage
	builtAt map[string]time.Time
	away    string // why the engine cannot be reached
	broken  string // why the definition cannot be read
	stuck   string // why the last run could not begin or go on

	waiters []*waiter
}

// failedImage is what is told of an image that could not be built.
type failedImage struct {
	Where   string   `json:"where,omitempty"`
	What    string   `json:"what"`
	Cause   string   `json:"cause,omitempty"`
	Log     []string `json:"log,omitempty"` // its last lines
	LogFile string   `json:"log_file,omitempty"`
}

// Why a daemon ends by itself.
var (
	errStop = errors.New("asked to stop")
	errGone = errors.New("the repository is gone")
	errLost = errors.New("the daemon's own files are gone")
)

const (
	rootCheck  = 5 * time.Second // between two looks at whether the repository and the lock are still there, and whether to rest
	firstRetry = time.Second     // when the engine is away
	lastRetry  = 5 * time.Second
	mostAgain  = 3 // builds of an image in a row, with no change between, before it is left alone
)

// loop works until ctx ends. The error is the context's cause, or why nothing can be
// watched.
func (d *daemon) loop(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	check := time.NewTicker(rootCheck)
	defer check.Stop()
	rested := false
	here, err := os.Stat(d.root)
	if err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	lock, err := os.Stat(watchLock(d.state))
	if err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	d.dirty = true
	for ctx.Err() == nil {
		d.plan(ctx)
		d.settle()
		rested = rested && d.idle()
		folders, updates, update := d.outgoing()
		select {
		case <-ctx.Done():
		case b, ok := <-d.batches:
			if !ok {
				d.batches = nil // the watcher's error ends ctx
				continue
			}
			d.take(b)
		case a := <-d.planned:
			d.adopt(ctx, a)
		case o := <-d.observed:
			d.observe(o)
		case end := <-d.runDone:
			d.ended(end)
		case call := <-d.calls:
			call()
		case folders <- d.unsent:
			d.watched, d.unsent = len(d.unsent), nil
		case updates <- update:
			d.run.newer = nil
		case <-d.retry:
			d.retry, d.dirty = nil, true
		case <-check.C:
			if !rested && d.idle() {
				rested = true
				debug.FreeOSMemory() // it may be hours until the next save
			}
			if !isStill(here, d.root) {
				stop(fmt.Errorf("%w: %s was moved or removed", errGone, d.root))
			} else if !isStill(lock, watchLock(d.state)) { // another daemon may begin
				stop(fmt.Errorf("%w: %s was removed", errLost, watchLock(d.state)))
			}
		}
	}
	d.shutDown()
	return context.Cause(ctx)
}

// isStill tells whether a path leads to what was there before.
func isStill(was os.FileInfo, path string) bool {
	now, err := os.Stat(path)
	return err == nil && os.SameFile(was, now)
}

// outgoing gives the channels that there is something to send on.
func (d *daemon) outgoing() (folders chan<- []string, updates chan<- docker.Work, update docker.Work) {
	if d.unsent != nil {
		folders = d.folders
	}
	if d.run != nil && d.run.newer != nil {
		updates, update = d.run.updates, *d.run.newer
	}
	return folders, updates, update
}

// shutDown waits for what was begun, which ctx has told to end.
func (d *daemon) shutDown() {
	for d.run != nil || d.planning {
		select {
		case a := <-d.planned:
			d.planning = false
			a.close()
		case o := <-d.observed:
			d.observe(o)
		case end := <-d.runDone:
			d.ended(end)
		}
	}
	if d.newest != nil {
		d.newest.close()
	}
}

// take notes that something happened. A marker that was written before its folder was
// watched comes with the folder; one that goes is no reason to plan.
func (d *daemon) take(b watch.Batch) {
	if b.Lost {
		d.story.lost()
	}
	only, asked := !b.Lost, false
	for _, p := range b.Paths {
		only = only && (p == d.marks || filepath.Dir(p) == d.marks)
	}
	for _, w := range d.waiters {
		_, found := slices.BinarySearch(b.Paths, w.mark)
		if _, placed := slices.BinarySearch(b.Paths, d.marks); !found && (placed || b.Lost) {
			_, err := os.Lstat(w.mark)
			found = err == nil
		}
		asked = asked || found && !w.seen
		w.seen = w.seen || found
	}
	d.dirty = d.dirty || asked || !only
	if !only {
		clear(d.again)
	}
}

// plan begins to plan when there is a reason to.
func (d *daemon) plan(ctx context.Context) {
	if !d.dirty || d.planning {
		return
	}
	d.dirty, d.planning = false, true
	d.memos.use()
	a := d.newAttempt()
	go func() {
		a.make(ctx)
		d.planned <- a // taken by loop or shutDown
		a.keep()
	}()
}

// adopt takes a planning in.
func (d *daemon) adopt(ctx context.Context, a *attempt) {
	outdated := d.outdated
	d.planning, d.outdated = false, false
	if d.watch(a); ctx.Err() != nil {
		a.close()
		return
	}
	if a.unsettled() {
		d.dirty = true
		a.close()
		return
	}
	if outdated { // it does not know what the run built; another planning follows
		a.close()
		return
	}
	d.story.warnings(byPlan, a.told.planned())
	if d.engineAway(a.err) {
		a.close()
		return
	}
	d.definition(a)
	if a.p == nil {
		if len(a.looked) == 0 {
			d.tryAgain() // nothing is watched whose change could end this
		}
		a.close()
		return
	}
	if d.newest != nil {
		d.newest.release()
	}
	d.newest = a
	d.good = &a.p.target.Catalog
	d.hold()
	d.ready = true
	d.carryOut(ctx)
}

// watch has the folders watched in which the planning looked: also those that are
// watched already, since one of them may be another folder by now. A planning that
// failed may not have looked at all of them.
func (d *daemon) watch(a *attempt) {
	dirs := a.looked
	if a.p == nil {
		dirs = append(slices.Clone(d.looked), dirs...)
		slices.Sort(dirs)
		dirs = slices.Compact(dirs)
	}
	d.looked = dirs
	d.unsent = append([]string{d.marks}, dirs...)
}

// engineAway notes that the engine cannot be reached, and comes back to it.
func (d *daemon) engineAway(err error) bool {
	var gone *docker.Unreachable
	if !errors.As(err, &gone) {
		if err == nil && d.away != "" {
			d.away, d.backoff = "", 0
			d.story.engineBack()
		}
		return false
	}
	if d.away == "" {
		d.story.engineGone(gone)
	}
	d.away = gone.Error()
	d.tryAgain()
	return true
}

// tryAgain plans again after a while.
func (d *daemon) tryAgain() {
	d.backoff = min(max(2*d.backoff, firstRetry), lastRetry)
	d.retry = time.After(d.backoff)
}

// definition notes whether the definition can be read. When not, the last good one
// was used, if there is one.
func (d *daemon) definition(a *attempt) {
	now := ""
	if a.err != nil {
		now = a.err.Error()
	}
	switch {
	case now != "" && now != d.broken:
		d.story.broken(a.err, a.p != nil)
	case now == "" && d.broken != "":
		d.story.mended()
	}
	d.broken = now
}

// carryOut begins to build what the newest plan asks for, or gives a run that is
// under way the newer work.
func (d *daemon) carryOut(ctx context.Context) {
	work := d.newest.work
	work.Plan = d.newest.without(d.paused)
	switch {
	case d.run != nil && d.run.wants(work):
		d.run.newer, d.run.given = &work, work
		d.run.keep(d.newest)
	case d.run == nil && !d.paused && len(d.newest.todo()) > 0:
		d.run = d.start(ctx, d.newest, work)
	}
}

// idle tells whether all that can be up to date is.
func (d *daemon) idle() bool {
	if d.dirty || d.planning || d.run != nil || d.away != "" || d.stuck != "" {
		return false
	}
	return d.newest == nil && d.broken != "" || d.ready && len(d.newest.todo()) == 0
}

// pause begins nothing more, until it is taken back.
func (d *daemon) pause(on bool) {
	if d.paused == on {
		return
	}
	d.paused, d.dirty = on, true
	d.story.paused(on)
}

// forget drops a waiter that has gone.
func (d *daemon) forget(gone *waiter) {
	d.waiters = slices.DeleteFunc(d.waiters, func(w *waiter) bool { return w == gone })
}

// settle answers those who wait for the daemon to come to rest.
func (d *daemon) settle() {
	if len(d.waiters) == 0 {
		return
	}
	var left []*waiter
	for _, w := range d.waiters {
		switch {
		case d.paused:
			w.answer(waitReply{Error: "the daemon is paused", Hint: "rebuild resume"})
		case w.seen && d.idle():
			w.answer(d.result())
		case w.seen && d.stuck != "" && d.run == nil && !d.dirty && !d.planning:
			w.answer(waitReply{Failed: []string{d.stuck}})
		default:
			left = append(left, w)
		}
	}
	d.waiters = left
}
