package budget

import (
	"math"
	"runtime"
	"runtime/debug"
	"sync"
)

// How many bytes are filled between two collections of a watched evaluation: what Go's
// pacer would allow, within bounds. With less the collecting alone costs the time that a
// definition has; with more it could not have the memory.
const (
	leastGarbage = 8 << 20
	mostGarbage  = 32 << 20
)

// A fill is sudden when so many bytes come between two looks, in pieces of so many. What
// interprets a text makes small ones, also on a machine that is slow to look.
const (
	suddenBytes = 12 << 20
	suddenPiece = 4 << 10
)

// collector collects the garbage of watched evaluations in place of Go's own pacer. A
// collection begins and ends with a moment in which all goroutines stand still, and one
// that fills a gigabyte with a single instruction cannot stand still before it is done:
// everybody waits for it meanwhile, who watches it too. So nothing is collected during a
// sudden fill, which either ends or soon exceeds the budget.
type collector struct {
	mu      sync.Mutex // guards all below
	held    int        // evaluations that are watched
	percent int        // what Go's pacer had before
	limit   int64      // as percent; bytes
	last    fills      // at the last look
	next    uint64     // bytes filled, at which to collect
}

var garbageCollector collector

// hold keeps Go's pacer from collecting, until as many releases.
func (c *collector) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held++; c.held == 1 {
		c.percent, c.limit = debug.SetGCPercent(-1), debug.SetMemoryLimit(math.MaxInt64)
		c.last = filled()
		c.next = c.last.bytes + c.garbage()
	}
}

func (c *collector) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held--; c.held == 0 {
		debug.SetGCPercent(c.percent)
		debug.SetMemoryLimit(c.limit)
	}
}

// look collects what may be garbage if enough of it has come.
func (c *collector) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := filled()
	sudden := at.since(c.last).sudden()
	c.last = at
	if at.bytes >= c.next && !sudden {
		runtime.GC()
		c.next = at.bytes + c.garbage()
	}
}

// garbage is how much may come before the next collection.
func (c *collector) garbage() uint64 {
	live, ok := measured("/gc/heap/live:bytes")
	if !ok || c.percent < 0 { // GOGC=off: somebody else sees to it
		return mostGarbage
	}
	return min(max(live[0]*uint64(c.percent)/100, leastGarbage), mostGarbage)
}

// fills is how much memory was asked for up to a moment, or between two.
type fills struct{ bytes, pieces uint64 }

func filled() fills {
	if v, ok := measured("/gc/heap/allocs:bytes", "/gc/heap/allocs:objects"); ok {
		return fills{v[0], v[1]}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return fills{m.TotalAlloc, m.Mallocs}
}

func (f fills) since(earlier fills) fills {
	return fills{f.bytes - earlier.bytes, f.pieces - earlier.pieces}
}

func (f fills) sudden() bool { return f.bytes > suddenBytes && f.bytes > f.pieces*suddenPiece }
