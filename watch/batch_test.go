package watch

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// bubble is a gather that runs in a synctest bubble.
type bubble struct {
	t       *testing.T
	hints   *hints
	batches chan Batch
	start   time.Time
}

// inBubble runs f beside a gather; its time stands still but where f waits.
func inBubble(t *testing.T, o Options, f func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := &bubble{t, newHints(), make(chan Batch), time.Now()}
		go gather(ctx, b.hints, b.batches, o.filled())
		f(b)
		cancel()
		synctest.Wait()
		if batch, ok := <-b.batches; ok {
			t.Errorf("batch %v after the end, want a closed channel", batch.Paths)
		}
	})
}

// at lets the time come to so many milliseconds after the start, then says that
// something happened at the paths.
func (b *bubble) at(ms int, paths ...string) {
	time.Sleep(time.Until(b.start.Add(time.Duration(ms) * time.Millisecond)))
	for _, path := range paths {
		b.hints.add(path)
	}
	synctest.Wait()
}

// want receives a batch, and holds its paths and the millisecond that it comes at
// against those wanted.
func (b *bubble) want(ms int, paths string) Batch {
	b.t.Helper()
	batch := <-b.batches
	if got := strings.Join(batch.Paths, " "); got != paths {
		b.t.Errorf("batch %q, want %q", got, paths)
	}
	if got := time.Since(b.start).Milliseconds(); got != int64(ms) {
		b.t.Errorf("batch %q after %d ms, want %d", paths, got, ms)
	}
	return batch
}

func TestQuietEndsABatch(t *testing.T) {
	inBubble(t, Options{}, func(b *bubble) {
		b.at(1000, "/r/b", "/r/a")
		b.at(1040, "/r/b")
		batch := b.want(1090, "/r/a /r/b")
		if got := batch.First.Sub(b.start); got != time.Second {
			t.Errorf("the batch began after %v, want 1s", got)
		}
		if batch.Lost {
			t.Error("events were lost")
		}
	})
}

func TestMaxEndsABatch(t *testing.T) {
	inBubble(t, Options{Max: 200 * time.Millisecond}, func(b *bubble) {
		go func() {
			for range 25 {
				b.hints.add("/r/log")
				time.Sleep(30 * time.Millisecond)
			}
		}()
		b.want(200, "/r/log")
		b.want(410, "/r/log")
		b.want(620, "/r/log")
		b.want(770, "/r/log") // the last was at 720, and an end by Max doubles no quiet
	})
}

func TestBusyHoldsABatch(t *testing.T) {
	var asked []int64
	start, until := time.Time{}, 0*time.Millisecond
	o := Options{BusyMax: 500 * time.Millisecond, Busy: func() bool {
		asked = append(asked, time.Since(start).Milliseconds())
		return time.Since(start) < until
	}}
	t.Run("until the writer is done", func(t *testing.T) {
		inBubble(t, o, func(b *bubble) {
			asked, start, until = nil, b.start, 120*time.Millisecond
			b.at(0, "/r/a")
			b.at(60, "/r/b")
			b.want(135, "/r/a /r/b")
			if want := []int64{50, 110, 135}; !slices.Equal(asked, want) {
				t.Errorf("asked at %v, want %v", asked, want)
			}
		})
	})
	t.Run("no longer than BusyMax", func(t *testing.T) {
		inBubble(t, o, func(b *bubble) {
			asked, start, until = nil, b.start, time.Hour
			b.at(0, "/r/a")
			b.want(550, "/r/a")
			b.at(2000, "/r/a")
			b.want(2550, "/r/a") // each batch anew
		})
	})
}

func TestQuietAdapts(t *testing.T) {
	inBubble(t, Options{}, func(b *bubble) {
		save := func(ms int, path string, after int) {
			t.Helper()
			b.at(ms, path)
			b.want(ms+after, path)
		}
		// A formatter writes 200 ms after each save: the two are split until they are not.
		save(0, "/r/a", 50)
		save(200, "/r/a", 100)
		save(400, "/r/a", 200)
		save(5000, "/r/a", 100) // the last batches needed no such pause inside
		save(5150, "/r/b", 200)
		save(5400, "/r/b", 400)
		b.at(9000, "/r/a")
		b.at(9150, "/r/a")
		b.want(9150+200, "/r/a")
		b.at(20000, "/r/a")
		b.at(20150, "/r/a")
		b.want(20150+200, "/r/a") // this quiet is needed, so it stays
		save(30000, "/r/a", 200)
		save(40000, "/r/a", 100)
		save(50000, "/r/a", 50)
		save(60000, "/r/a", 50)
	})
}

func TestQuietIsNotAdaptedByAnotherFolder(t *testing.T) {
	inBubble(t, Options{}, func(b *bubble) {
		for i := range 10 {
			b.at(i*200, "/r/a")
			b.want(i*200+50, "/r/a")
			b.at(i*200+100, "/state/record")
			b.want(i*200+150, "/state/record")
		}
	})
}

func TestQuietIsNotAdaptedByTheReceiver(t *testing.T) {
	inBubble(t, Options{Own: "/own"}, func(b *bubble) {
		b.at(0, "/own/a")
		b.want(50, "/own/a")
		b.at(150, "/own/a") // removed again
		b.want(200, "/own/a")
		b.at(300, "/r/a")
		b.want(350, "/r/a")
	})
}

func TestQuietGrowsTo400MS(t *testing.T) {
	inBubble(t, Options{}, func(b *bubble) {
		ms := 0
		for _, quiet := range []int{50, 100, 200, 400} {
			b.at(ms, "/r/a")
			b.want(ms+quiet, "/r/a")
			ms += max(quiet+10, 390)
		}
		b.at(ms, "/r/a") // 410 ms after the last event: no longer split
		b.want(ms+200, "/r/a")
	})
}

func TestSlowReceiver(t *testing.T) {
	inBubble(t, Options{}, func(b *bubble) {
		b.at(0, "/r/a")
		b.at(1000, "/r/b")
		b.at(1010, "/r/c")
		b.at(9000, "/r/a")
		b.hints.lose()
		b.at(10000)
		batch := b.want(10000, "/r/a /r/b /r/c")
		if !batch.Lost || !batch.First.Equal(b.start) {
			t.Errorf("batch %+v, want Lost, begun at the start", batch)
		}
		b.at(11000, "/r/d")
		if batch := b.want(11050, "/r/d"); batch.Lost {
			t.Error("events were lost twice")
		}
	})
}

func TestOfferStandsWhileMoreComes(t *testing.T) {
	inBubble(t, Options{}, func(b *bubble) {
		b.at(0, "/r/a")
		b.at(100, "/r/b")
		b.want(100, "/r/a")
		b.want(200, "/r/b") // split from the first: the quiet has doubled
	})
}

func TestLostAlone(t *testing.T) {
	inBubble(t, Options{}, func(b *bubble) {
		b.hints.lose()
		if batch := b.want(50, ""); !batch.Lost {
			t.Error("the batch does not say that events were lost")
		}
	})
}
