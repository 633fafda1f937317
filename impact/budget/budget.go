// Package budget bounds what the text of a stranger may cost to read.
//
// A definition computes: a few lines of HCL or YAML can ask for gigabytes, or for a
// year. The libraries that evaluate it cannot be interrupted, and what they will need
// cannot be told from the text. So they are watched, and given up when they go beyond
// what any real definition needs. It imports the standard library and golang.org/x/sys.
package budget

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

// What the reading of one repository's definitions may take. Both are far above what
// people need: bake evaluates 700 targets within a second and 100 MiB, and it takes time
// with the square of their number. More would let more than some 3,000 targets through;
// with less, a slow machine refuses what is sound. Together with the rest of a
// plan they keep it below 10 s of processor time and 512 MiB.
const (
	Processor = 7 * time.Second
	Memory    = 192 << 20 // bytes
)

// pace is how often what is watched is looked at. Memory can be filled at a few
// gigabytes a second, so a longer one lets more be taken before the end; one look takes a
// few microseconds.
const pace = 2 * time.Millisecond

// Exceeded is the error of what was given up. It may still be at work: the process
// should end.
type Exceeded struct{ Cause string }

// Error says what was exceeded.
func (e *Exceeded) Error() string { return e.Cause }

// Budget is what is left for reading. The zero value is for one Within.
type Budget struct {
	mu      sync.Mutex // guards all below
	free    bool       // what happens now does not count
	used    meter      // since when it counts
	excused meter      // what was used while it did not
}

// Within runs what may be without bounds, until it ends, exceeds the budget, or ctx is
// done. In the last two cases nobody waits for it any more.
func Within[T any](ctx context.Context, b *Budget, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	b.used = now()
	garbageCollector.hold()
	done := make(chan result, 1)
	go func() {
		// What was given up stays held: the error is told while it still fills memory.
		defer garbageCollector.release()
		value, err := read()
		done <- result{value, err}
	}()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	var none T
	for {
		select {
		case r := <-done:
			return r.value, r.err
		case <-ctx.Done():
			return none, ctx.Err()
		case <-tick.C:
		}
		garbageCollector.look()
		if over := b.exceeded(now()); over != nil {
			return none, over
		}
	}
}

// Uncounted runs what is no evaluation of a text, and may take what it takes: a tree can
// have a million files. A nil budget counts nothing.
func (b *Budget) Uncounted(do func()) {
	if b == nil {
		do()
		return
	}
	before := now()
	b.set(true, meter{})
	defer func() { b.set(false, now().since(before)) }()
	do()
}

func (b *Budget) set(free bool, excused meter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free, b.excused = free, b.excused.plus(excused)
}

func (b *Budget) exceeded(at meter) *Exceeded {
	b.mu.Lock()
	defer b.mu.Unlock()
	used := at.since(b.used.plus(b.excused))
	switch {
	case b.free:
	case used.memory > Memory:
		return &Exceeded{Cause: fmt.Sprintf("it takes more than %d MiB of memory to evaluate", Memory>>20)}
	case min(used.processor, used.passed) > Processor: // beside it the process may hash files, on all processors
		return &Exceeded{Cause: fmt.Sprintf("it takes more than %d s of processor time to evaluate", Processor/time.Second)}
	}
	return nil
}

// meter is what the process has used up to a moment, or between two.
type meter struct {
	passed, processor time.Duration
	memory            int64 // bytes
}

var began = time.Now()

func now() meter {
	return meter{passed: time.Since(began), processor: processorTime(), memory: memory()}
}

func (m meter) since(earlier meter) meter {
	return meter{m.passed - earlier.passed, m.processor - earlier.processor, m.memory - earlier.memory}
}

func (m meter) plus(more meter) meter {
	return meter{m.passed + more.passed, m.processor + more.processor, m.memory + more.memory}
}

// memory is what the process uses, in bytes: not what was collected and is kept for
// later, since who is not looked at for a while leaves much to collect.
func memory() int64 {
	if v, ok := measured("/memory/classes/total:bytes", "/memory/classes/heap/released:bytes", "/memory/classes/heap/free:bytes"); ok {
		return int64(v[0] - v[1] - v[2])
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys - m.HeapIdle)
}

// measured is what Go's runtime measures by these names. One to come may lack them.
func measured(names ...string) ([]uint64, bool) {
	samples := make([]metrics.Sample, len(names))
	for i, name := range names {
		samples[i].Name = name
	}
	metrics.Read(samples)
	values := make([]uint64, len(names))
	for i, s := range samples {
		if s.Value.Kind() != metrics.KindUint64 {
			return nil, false
		}
		values[i] = s.Value.Uint64()
	}
	return values, true
}
