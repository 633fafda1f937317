// Package watch tells a daemon when to look again: file events become batches of
// paths.
//
// Events are hints, the disk is the truth. A batch says where something may have
// happened; whether anything changed is for the caller to judge. So a path may come
// without a change, or twice, but no change goes without a path: what events cannot
// be trusted to tell is looked for on the disk.
//
//   - A folder is reported when its watch is placed, since its content may have come
//     before: at the start, when it appears, and when another one stands in its place.
//   - When the queue of events overflows, the batch says so (Lost), and every watch is
//     placed anew.
//   - Where events do not come (the limit of watches, network and shared file systems,
//     a probe that stays unanswered), the folders are polled instead, and the caller
//     is told once.
//
// What it does not do: watch what lies below a folder of the set, say what kind of
// change it was, or go back from polling to events.
package watch

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// Options are how to watch; the zero value works.
type Options struct {
	// Quiet ends a batch after this long without an event; 0: 50 ms. It doubles, up to
	// 400 ms, when what belongs together came in two batches, and comes back down.
	Quiet time.Duration
	// Max is how long a batch may stay open while events go on; 0: 2 s.
	Max time.Duration
	// Poll is the pause between two looks when polling; 0: 1 s. It is never less than
	// 20 times what a look takes.
	Poll time.Duration
	// Polling polls from the start.
	Polling bool
	// Busy tells whether a writer (git, say) is in the middle of something. A batch
	// that is due waits on while it is true; it is asked every 25 ms, never from two
	// goroutines at once, and must not block. May be nil.
	Busy func() bool
	// BusyMax is how long Busy can hold one batch back; 0: 10 s.
	BusyMax time.Duration
	// Own is a folder of the set that only the receiver writes to: how soon something
	// happens there after a batch says nothing of what belongs together. "": none.
	Own string
	// Notice is called when the way of watching changes, the first set's included,
	// from Run's goroutine: Run waits for it. May be nil.
	Notice func(Mode)
}

// Mode is the way of watching.
type Mode struct {
	Polling bool
	Why     string // why it polls, for the user to read; "" when it does not
	Folders int    // how many of the set are watched: those that exist
}

// Batch is what happened in one burst.
type Batch struct {
	Paths []string  // files and folders where something happened: absolute, cleaned, sorted, each once
	Lost  bool      // events were lost: look everywhere
	First time.Time // when the batch began
}

// Run watches the folders of the newest set, not what lies below them, until ctx
// ends (then it returns nil) or an error makes watching impossible. It closes
// batches; the caller may close folders, the last set then stays.
//
// Sets are absolute paths of folders, which need not exist: each set replaces the one
// before, and the first starts the watching. To learn whether events come at all, a
// file .rebuild-probe-<pid> is made and removed in the first folder of the first set
// that may be written to: put one first where that disturbs nobody. While batches are
// not received, what happens is gathered into the next one, and nothing is dropped.
//
// A folder may be a symlink, and several may be one; each is reported under its own
// name. A folder that may not be read is looked at again now and then.
func Run(ctx context.Context, folders <-chan []string, batches chan<- Batch, o Options) error {
	return run(ctx, folders, batches, o, openFsnotify)
}

func run(ctx context.Context, folders <-chan []string, batches chan<- Batch, o Options, open func() (*source, error)) error {
	o = o.filled()
	r := &runner{o: o, open: open, hints: newHints(), next: time.NewTimer(0)}
	r.next.Stop()
	gathering, stop := context.WithCancel(ctx)
	gathered := make(chan struct{})
	go func() {
		defer close(gathered)
		gather(gathering, r.hints, batches, o)
	}()
	defer func() {
		r.close()
		stop()
		<-gathered
	}()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case set, ok := <-folders:
			if !ok {
				folders = nil
				continue
			}
			err = r.watch(ctx, set)
		case <-r.woken:
			err = r.look(ctx)
		case <-r.next.C:
			err = r.look(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// backend is a way of learning what happens in folders. It adds to the hints, and
// reports a folder of the set when it begins to watch it and when it is gone. Only
// Run's goroutine calls it.
type backend interface {
	// watch replaces the set of folders, and begins with those that are new. A
	// *deafError says that events cannot tell what happens in them.
	watch(ctx context.Context, set []string) error
	// look looks the folders over; errors as with watch.
	look(ctx context.Context) error
	// woken fires when a look is due at once; it may be nil.
	woken() <-chan struct{}
	// pause is how long to wait for the next look when one took that long.
	pause(took time.Duration) time.Duration
	// present counts the folders of the set that are watched: those that exist.
	present() int
	close()
}

// deafError says why events cannot be relied on.
type deafError struct{ why string }

func (e *deafError) Error() string { return e.why }

// runner is what Run knows, for its goroutine alone.
type runner struct {
	o     Options
	open  func() (*source, error)
	hints *hints
	set   []string // as it was given: cleaned, each once
	back  backend  // nil before the first set
	woken <-chan struct{}
	next  *time.Timer // runs from the end of one look to the next
}

// watch takes a set over; one that is equal to the set before is none.
func (r *runner) watch(ctx context.Context, set []string) error {
	set, err := cleaned(set)
	if err != nil {
		return err
	}
	first := r.back == nil
	if !first && slices.Equal(slices.Sorted(slices.Values(set)), slices.Sorted(slices.Values(r.set))) {
		return nil
	}
	r.set = set
	why := "asked for"
	if first && !r.o.Polling {
		why, err = r.begin()
		if err != nil {
			return err
		}
	}
	if r.back == nil {
		return r.poll(ctx, why)
	}
	began := time.Now()
	if err := r.settle(ctx, r.back.watch(ctx, set), began); err != nil {
		return err
	}
	if _, polls := r.back.(*poll); first && !polls {
		r.notice(Mode{Folders: r.back.present()})
	}
	return nil
}

// begin opens the source of events, or says why there is none.
func (r *runner) begin() (why string, err error) {
	n, err := newNotify(r.open, r.hints)
	if deaf, ok := errors.AsType[*deafError](err); ok {
		return deaf.why, nil
	}
	if err != nil {
		return "", err
	}
	r.back, r.woken = n, n.woken()
	return "", nil
}

func (r *runner) look(ctx context.Context) error {
	began := time.Now()
	return r.settle(ctx, r.back.look(ctx), began)
}

// settle ends a look with its error: the next one is timed, or polling begins.
func (r *runner) settle(ctx context.Context, err error, began time.Time) error {
	if deaf, ok := errors.AsType[*deafError](err); ok {
		return r.poll(ctx, deaf.why)
	}
	r.next.Reset(r.back.pause(time.Since(began)))
	return err
}

// poll polls the set from now on.
func (r *runner) poll(ctx context.Context, why string) error {
	r.close()
	r.back, r.woken = newPoll(r.hints, r.o.Poll), nil
	began := time.Now()
	err := r.settle(ctx, r.back.watch(ctx, r.set), began)
	if err == nil {
		r.notice(Mode{Polling: true, Why: why, Folders: r.back.present()})
	}
	return err
}

func (r *runner) notice(m Mode) {
	if r.o.Notice != nil {
		r.o.Notice(m)
	}
}

func (r *runner) close() {
	if r.back != nil {
		r.back.close()
	}
}

// filled are the options with the values that a zero stands for.
func (o Options) filled() Options {
	for _, d := range []struct {
		value *time.Duration
		zero  time.Duration
	}{
		// 50 ms joins what an editor does to save (3 to 20 ms apart), and is not felt.
		{&o.Quiet, 50 * time.Millisecond},
		{&o.Max, 2 * time.Second},
		{&o.Poll, time.Second},
		{&o.BusyMax, 10 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.zero
		}
	}
	return o
}

// cleaned gives the paths of a set cleaned, each once, in the given order.
func cleaned(set []string) ([]string, error) {
	clean, seen := make([]string, 0, len(set)), map[string]bool{}
	for _, path := range set {
		if !filepath.IsAbs(path) {
			return nil, fmt.Errorf("watch %q: not an absolute path", path)
		}
		path = filepath.Clean(path)
		if !seen[path] {
			seen[path] = true
			clean = append(clean, path)
		}
	}
	return clean, nil
}
