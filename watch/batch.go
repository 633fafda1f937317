package watch

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

const (
	// busyPause is the time between two questions whether a writer is done: asking
	// costs a stat, and a batch that comes so much later is not felt.
	busyPause = 25 * time.Millisecond
	// quietMost is what Quiet adapts up to. Formatters that run on save and generators
	// pause up to 300 ms; a longer wait would be felt at each save.
	quietMost = 400 * time.Millisecond
)

// gather makes batches of hints until ctx ends, and closes the channel.
func gather(ctx context.Context, h *hints, batches chan<- Batch, o Options) {
	defer close(batches)
	b := newBurst(o)
	timer := time.NewTimer(0)
	timer.Stop()
	for ctx.Err() == nil {
		if wait, open := b.wait(time.Now()); !open || wait > 0 {
			var due <-chan time.Time
			if open {
				timer.Reset(wait)
				due = timer.C
			}
			select {
			case <-ctx.Done():
			case <-h.more:
				b.merge(h)
			case <-due:
			}
			continue
		}
		batch := b.batch()
		select {
		case <-ctx.Done():
			continue
		case batches <- batch:
			b.sent()
			continue
		case <-h.more:
		}
		// More has come before somebody took the batch. It is merged a while later, all
		// at once: to sort many thousands of paths again for each would take a whole
		// processor for as long as the receiver is slow.
		timer.Reset(o.Quiet)
		select {
		case <-ctx.Done():
			continue
		case batches <- batch:
			b.sent()
		case <-timer.C:
		}
		b.merge(h)
	}
}

// burst is the open batch, and what is remembered of the last one. It judges by
// times, and waits for none itself.
type burst struct {
	o     Options
	quiet time.Duration // o.Quiet, adapted

	paths       map[string]struct{}
	lost        bool
	first, last time.Time     // of the batch's hints
	gap         time.Duration // the longest pause inside the batch
	held        time.Time     // when a writer was first seen to hold the batch back

	// Of the last batch: its folders, and whether its end was a quiet one. Its gap and
	// last stay until the next begins.
	folders map[string]struct{}
	byQuiet bool
}

func newBurst(o Options) *burst {
	return &burst{o: o, quiet: o.Quiet, paths: map[string]struct{}{}}
}

// merge takes the hints into the batch, which begins with the first.
func (b *burst) merge(h *hints) {
	paths, lost := h.take()
	if len(paths) == 0 && !lost {
		return
	}
	now := time.Now()
	if !b.isOpen() {
		b.adapt(now, paths)
		b.first, b.gap, b.held = now, 0, time.Time{}
	} else if gap := now.Sub(b.last); gap < b.quiet { // a longer one is the receiver's
		b.gap = max(b.gap, gap)
	}
	b.last = now
	b.lost = b.lost || lost
	maps.Copy(b.paths, paths)
}

func (b *burst) isOpen() bool { return len(b.paths) > 0 || b.lost }

// wait tells how long the open batch must still wait: 0 when it is due.
func (b *burst) wait(now time.Time) (wait time.Duration, open bool) {
	if !b.isOpen() {
		return 0, false
	}
	if wait := min(b.last.Add(b.quiet).Sub(now), b.first.Add(b.o.Max).Sub(now)); wait > 0 {
		return wait, true
	}
	if b.o.Busy == nil {
		return 0, true
	}
	if b.held.IsZero() {
		b.held = now
	}
	if left := b.o.BusyMax - now.Sub(b.held); left > 0 && b.o.Busy() {
		return min(busyPause, left), true
	}
	return 0, true
}

// batch is the open batch as it is now.
func (b *burst) batch() Batch {
	return Batch{Paths: slices.Sorted(maps.Keys(b.paths)), Lost: b.lost, First: b.first}
}

// sent closes the batch.
func (b *burst) sent() {
	b.folders = map[string]struct{}{}
	for path := range b.paths {
		b.folders[filepath.Dir(path)] = struct{}{}
	}
	b.byQuiet = b.last.Add(b.quiet).Before(b.first.Add(b.o.Max))
	b.paths, b.lost = map[string]struct{}{}, false
}

// adapt sets how long quiet must last by the way in which a batch begins. One that
// comes soon after the last, in one of its folders, was split from it: the quiet
// doubles. Other folders do not count, since the receiver may write files of its own
// in answer to a batch. It halves again when the last batch did not need it.
func (b *burst) adapt(now time.Time, paths map[string]struct{}) {
	most := max(quietMost, b.o.Quiet)
	switch {
	case b.byQuiet && now.Sub(b.last) < most && b.follows(paths):
		b.quiet = min(most, 2*b.quiet)
	case b.gap < b.quiet/2:
		b.quiet = max(b.o.Quiet, b.quiet/2)
	}
}

func (b *burst) follows(paths map[string]struct{}) bool {
	for path := range paths {
		dir := filepath.Dir(path)
		if _, ok := b.folders[dir]; ok && dir != b.o.Own {
			return true
		}
	}
	return false
}
