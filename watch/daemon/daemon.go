// Package daemon keeps images up to date while files are edited: batches of changes
// become plans, and plans become builds.
//
// It promises that
//
//   - an event says where to look, no more: each batch leads to a plan, and only a plan
//     to builds, so that nothing is lost when events are, as long as one batch follows;
//   - a run that is under way is given the newer job when a plan asks for another;
//   - an image that failed, or does not come to rest, is left alone until its state is
//     another one, and what is built on it waits with it;
//   - what a planning holds (Planned.Close) is given up once, after its last user;
//   - when Run returns, all that it began has ended.
//
// It prints nothing, and neither plans nor builds by itself: Options say how. What
// happens is told as events, how things are as a Status; the words are the caller's.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"rebuild/docker"
	"rebuild/docker/run"
	"rebuild/impact"
	"rebuild/impact/safefile"
	"rebuild/watch"
)

// Options are what a daemon works on and with. Plan and Watch must be there.
type Options struct {
	Root      string // of the working tree
	Marks     string // a folder of the daemon's own, which is made anew, and watched
	PID       int
	Started   time.Time
	NoCatchUp bool // leave what is stale at the start until a change touches it

	// Plan plans once. When the definition cannot be read it plans by good, the last
	// that could; nil: there is none. Calls come one after another.
	Plan func(ctx context.Context, good *impact.Catalog) *Planned
	// Watch is watch.Run: it sends batches until ctx ends, tells notice how it watches,
	// and closes batches.
	Watch func(ctx context.Context, folders <-chan []string, batches chan<- watch.Batch, notice func(watch.Mode)) error
	// Allows tells whether a command of the definition may be run at all; nil: each may.
	Allows func(image, line string) bool

	// Command runs a command of the definition (on_success), and gives the last lines
	// that it printed. Nil: none is run.
	Command func(ctx context.Context, c Command) (output []string, err error)
	// Check is called every CheckEvery; an error ends the daemon. It may be nil.
	Check func() error
	// Idle is called when the daemon comes to rest, at a check. It may be nil.
	Idle func()
	// Events takes what happens. It may be called concurrently, and may be nil.
	Events func(Event)
	// View shows the status, which it may ask for (ok is false when the daemon is
	// ending), until ctx ends. It may be nil.
	View func(ctx context.Context, status func(context.Context) (s Status, ok bool))
	// Document is what clients of the socket are given as the status: a value whose JSON
	// has all that the status has. Nil: the status itself.
	Document func(Status) any
	// Listener is where clients are answered, and is closed. Nil: there are none.
	Listener net.Listener
}

// Planned is what a planning came to. It is not changed any more.
type Planned struct {
	Plan   *impact.Plan // nil: there is none
	Target *impact.Snapshot
	Job    run.Job              // what carries Plan out
	Built  map[string]time.Time // when images were last built, by their records
	Made   time.Time            // before the engine was asked and the records were read

	FoldersRead []string // whose change calls for another planning: absolute, sorted
	Warnings    []string
	Err         error // why there is no plan, or why it is by the definition before
	Unsettled   bool  // a file was written while it was read: another planning follows

	// Run carries builds out under the lock of a run. When another run had the lock,
	// nothing is done, and the error is ErrWaited.
	Run func(ctx context.Context, b Build) (*run.Report, error)
	// Save keeps what was learnt of files, for the next planning. No build waits for it.
	// It may be nil.
	Save func() error
	// Close gives up what the planning holds, once nobody builds from it. It may be nil.
	Close func()
}

// Build is what a run is asked to do. Its function fields may be called concurrently.
type Build struct {
	Job     run.Job
	Updates <-chan run.Job // newer jobs, as in run.Run
	Observe func(image string, steps *docker.StepLog, o *run.Outcome)
	Waits   func(Holder) // is told when another run has the lock
}

// Holder is the process that has the lock of a run.
type Holder struct {
	PID     int // 0: not known
	Command string
	Started time.Time
}

// ErrWaited says that another run had the lock: it may have built everything, so that
// a new planning comes first.
var ErrWaited = errors.New("another run had the lock")

// ErrStopped is why a daemon ends that a client has told to.
var ErrStopped = errors.New("asked to stop")

// CheckEvery is how long it takes until a vanished repository is noticed, or a daemon
// that has nothing to do gives memory back. It costs two stats.
const CheckEvery = 5 * time.Second

// Run keeps images up to date until ctx ends, a client says stop, or the daemon cannot
// go on. The error is why: the context's cause, ErrStopped, or that of Watch, Check or
// the listener.
func Run(ctx context.Context, o Options) error {
	if o.Listener != nil {
		defer o.Listener.Close() // mostly it is already
	}
	// Markers of the daemon before are nobody's.
	if err := errors.Join(os.RemoveAll(o.Marks), safefile.Folder(o.Marks)); err != nil {
		return fmt.Errorf("markers: %w", err)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	batches := make(chan watch.Batch)
	l := newLoop(o, batches)
	s := &server{root: o.Root, marks: o.Marks, document: o.Document, loop: l, ended: ctx.Done(), stop: stop}

	var parts sync.WaitGroup
	parts.Go(func() {
		err := o.Watch(ctx, l.folders, batches, func(m watch.Mode) {
			s.call(ctx, func() { l.watchedBy(m) })
		})
		if err != nil {
			stop(err)
		}
	})
	parts.Go(func() { l.commands.run(ctx) })
	if o.View != nil {
		parts.Go(func() { o.View(ctx, s.now) })
	}
	web := &http.Server{Handler: s.handler()}
	if o.Listener != nil {
		parts.Go(func() {
			if err := web.Serve(o.Listener); !errors.Is(err, http.ErrServerClosed) {
				stop(err)
			}
		})
	}
	err := l.run(ctx, stop)
	stop(err)
	_ = web.Shutdown(context.WithoutCancel(ctx)) // each handler ends when ctx does
	parts.Wait()
	return err
}
