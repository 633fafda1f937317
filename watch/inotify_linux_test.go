package watch

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// The kernel's queue overflows while nobody drains it. A folder that was made again
// meanwhile is watched all the same.
func TestRealOverflow(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Fatal(err)
	}
	queued, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	var gate sync.Mutex // held: no event passes
	s := newStageOver(t, Options{}, func() (*source, error) {
		src, err := openFsnotify()
		if err != nil {
			return nil, err
		}
		from, to := src.events, make(chan fsnotify.Event)
		src.events = to
		go func() {
			defer close(to)
			for e := range from {
				gate.Lock()
				to <- e
				gate.Unlock()
			}
		}()
		return src, nil
	}, 30*time.Second)
	s.mkdir("src")
	s.mkdir("again")
	s.watch("src", "again")
	s.see("s", "src", "again")
	s.sentinel()
	clear(s.seen)

	gate.Lock()
	a, b := s.open("src/a"), s.open("src/b")
	// fsnotify reads 64 KiB of events ahead. Equal ones in a row are one to the kernel.
	for range (queued + 5000) / 2 {
		for _, f := range []*os.File{a, b} {
			if _, err := f.WriteAt([]byte("x"), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.do("rm", []string{"again"})
	s.mkdir("again")
	gate.Unlock()

	s.see("src", "again", "src/a", "src/b")
	if !s.lost {
		t.Error("no batch says that events were lost")
	}
	s.sentinel()
	clear(s.seen)
	s.write("again/file", "")
	s.see("again/file")
}

func (s *stage) open(name string) *os.File {
	f, err := os.Create(s.path(name))
	s.must(err)
	s.t.Cleanup(func() { s.must(f.Close()) })
	return f
}

// The descriptors are counted, since those of inotify are the system's to leak.
func TestCancelLeavesNoDescriptor(t *testing.T) {
	count := func() int {
		open, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(open)
	}
	once := func() {
		ctx, cancel := context.WithCancel(t.Context())
		sets, batches, ran := make(chan []string, 1), make(chan Batch), make(chan error)
		sets <- []string{t.TempDir()}
		go func() { ran <- Run(ctx, sets, batches, Options{}) }()
		<-batches
		cancel()
		if err := <-ran; err != nil {
			t.Fatal(err)
		}
	}
	once() // the runtime opens some of its own
	before := count()
	for range 5 {
		once()
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
}
