package watch

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// fake is a source of events that the test sends. It counts the watches.
type fake struct {
	events chan fsnotify.Event
	errors chan error
	silent string // the kind of all file systems
	fails  error  // what opening gives

	mu      sync.Mutex // guards all fields below
	adds    map[string]int
	refused map[string]error // what adding a path gives
	closed  bool
}

func newFake() *fake {
	return &fake{
		events: make(chan fsnotify.Event), errors: make(chan error),
		adds: map[string]int{}, refused: map[string]error{},
	}
}

func (f *fake) open() (*source, error) {
	if f.fails != nil {
		return nil, f.fails
	}
	return &source{
		events: f.events, errors: f.errors,
		add: func(path string) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.adds[path]++
			return f.refused[path]
		},
		remove: func(string) error {
			return fsnotify.ErrNonExistentWatch // a refusal is no reason to stop
		},
		close: func() error {
			f.mu.Lock()
			defer f.mu.Unlock()
			close(f.events)
			f.closed = true
			return nil
		},
		silentKind: func(string) string { return f.silent },
	}, nil
}

func (f *fake) refuse(path string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused[path] = err
}

// added counts how often a path was watched or tried.
func (f *fake) added(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.adds[path]
}

// inRun runs a test over a stage in a synctest bubble, with the folders s and src.
func inRun(t *testing.T, o Options, test func(s *stage, f *fake)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := newStageOver(t, o, f.open, time.Hour) // of the bubble's time
		s.mkdir("src")
		test(s, f)
	})
}

// answer is the event of the probe.
func (f *fake) answer(s *stage) {
	path := s.path("s/" + probePrefix + "1")
	f.events <- fsnotify.Event{Name: path, Op: fsnotify.Create}
	synctest.Wait()
}

// wantModes ends a test: these are all that Notice has said.
func (s *stage) wantModes(modes ...Mode) {
	s.t.Helper()
	synctest.Wait()
	if !slices.Equal(s.modes, modes) {
		s.t.Errorf("the modes were %+v, want %+v", s.modes, modes)
	}
}

// wantPolling holds that the folders were reported and are polled.
func (s *stage) wantPolling() {
	s.t.Helper()
	s.see("s", "src")
	s.write("src/file", "")
	s.see("src/file")
}

func TestOverflow(t *testing.T) {
	inRun(t, Options{}, func(s *stage, f *fake) {
		s.watch("src", "missing")
		f.answer(s)
		s.see("s", "src")
		clear(s.seen)
		f.errors <- fsnotify.ErrEventOverflow
		s.see("s", "src")
		if !s.lost {
			t.Error("no batch says that events were lost")
		}
		synctest.Wait()
		for _, path := range []string{s.root, s.path("s"), s.path("src")} {
			if n := f.added(path); n != 2 {
				t.Errorf("%s was added %d times, want 2", path, n)
			}
		}
		clear(s.seen)
		f.events <- fsnotify.Event{Name: s.path("src/file"), Op: fsnotify.Write}
		s.see("src/file")
		if len(s.seen) != 1 {
			t.Errorf("seen after the overflow: %v", s.seen)
		}
		s.wantModes(Mode{Folders: 2})
	})
}

func TestEventsInTheOverflowAnswerTheProbe(t *testing.T) {
	inRun(t, Options{}, func(s *stage, f *fake) {
		s.watch("src")
		f.errors <- fsnotify.ErrEventOverflow
		time.Sleep(time.Minute)
		s.wantModes(Mode{Folders: 2})
	})
}

func TestWatchLimit(t *testing.T) {
	for _, c := range []struct {
		err error
		why string
	}{
		{&fs.PathError{Op: "add", Err: syscall.ENOSPC}, "the user's limit of inotify watches is reached (fs.inotify.max_user_watches)"},
		{syscall.EMFILE, "the limit of open files is reached"},
		{errors.New("no such thing"), "watch SRC: no such thing"},
	} {
		inRun(t, Options{}, func(s *stage, f *fake) {
			f.refuse(s.path("src"), c.err)
			s.watch("src")
			s.wantPolling()
			s.wantModes(Mode{Polling: true, Why: strings.ReplaceAll(c.why, "SRC", s.path("src")), Folders: 2})
			f.mu.Lock()
			defer f.mu.Unlock()
			if !f.closed {
				t.Error("the source of events is still open")
			}
		})
	}
}

func TestWatchLimitReachedLater(t *testing.T) {
	inRun(t, Options{}, func(s *stage, f *fake) {
		s.watch("src")
		f.answer(s)
		s.see("s", "src")
		clear(s.seen)
		s.mkdir("more")
		f.refuse(s.path("more"), syscall.ENOSPC)
		s.watch("src", "more")
		s.see("more")
		s.wantPolling()
		s.watch("more", "src") // and no second word about it
		s.watch("src")
		s.wantModes(Mode{Folders: 2}, Mode{Polling: true, Why: "the user's limit of inotify watches is reached (fs.inotify.max_user_watches)", Folders: 3})
	})
}

func TestNoEventsToBeHad(t *testing.T) {
	inRun(t, Options{}, func(s *stage, f *fake) {
		f.fails = &deafError{"none here"}
		s.watch("src")
		s.wantPolling()
		s.wantModes(Mode{Polling: true, Why: "none here", Folders: 2})
	})
	failure := errors.New("out of order")
	open := func() (*source, error) { return nil, failure }
	sets, batches := make(chan []string, 1), make(chan Batch)
	sets <- nil
	if err := run(t.Context(), sets, batches, Options{}, open); !errors.Is(err, failure) {
		t.Errorf("the error is %v, want %v", err, failure)
	}
}

func TestSilentFileSystem(t *testing.T) {
	inRun(t, Options{}, func(s *stage, f *fake) {
		f.silent = "nfs"
		s.watch("src")
		s.wantPolling()
		s.wantModes(Mode{Polling: true, Why: "the file system under " + s.path("s") + " (nfs) reports no events", Folders: 2})
	})
}

func TestPollingAskedFor(t *testing.T) {
	inRun(t, Options{Polling: true}, func(s *stage, f *fake) {
		f.fails = errors.New("events were asked for")
		s.watch("src", "missing")
		s.wantPolling()
		s.wantModes(Mode{Polling: true, Why: "asked for", Folders: 2})
	})
}

func TestProbe(t *testing.T) {
	t.Run("answered", func(t *testing.T) {
		inRun(t, Options{}, func(s *stage, f *fake) {
			s.watch("src")
			f.answer(s)
			s.see("s", "src")
			clear(s.seen)
			time.Sleep(time.Minute)
			f.events <- fsnotify.Event{Name: s.path("src/file"), Op: fsnotify.Write}
			s.see("src/file")
			if len(s.seen) != 1 {
				t.Errorf("seen: %v", s.seen)
			}
			s.wantModes(Mode{Folders: 2})
		})
	})
	t.Run("not answered", func(t *testing.T) {
		inRun(t, Options{}, func(s *stage, f *fake) {
			s.watch("src")
			start := time.Now()
			s.see("s", "src")
			clear(s.seen)
			s.see("s", "src") // again: what happened before it polled was not seen
			if d := time.Since(start); d < probeTime {
				t.Errorf("polling after %v", d)
			}
			clear(s.seen)
			s.write("src/file", "")
			s.see("src/file")
			s.wantModes(Mode{Folders: 2}, Mode{Polling: true, Why: "no event came for a probe in " + s.path("s"), Folders: 2})
			if left, _ := filepath.Glob(s.path("s/.*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	})
	t.Run("nowhere to make it", func(t *testing.T) {
		inRun(t, Options{}, func(s *stage, f *fake) {
			s.sets <- []string{s.path("missing")}
			time.Sleep(time.Minute)
			s.wantModes(Mode{})
		})
	})
}

// A mount over a folder, say: the disk tells what no event does.
func TestReplacedWithoutAnEvent(t *testing.T) {
	inRun(t, Options{}, func(s *stage, f *fake) {
		s.watch("src")
		f.answer(s)
		s.see("s", "src")
		clear(s.seen)
		s.mkdir("new")
		s.do("mv", []string{"src", "old"})
		s.do("mv", []string{"new", "src"})
		s.see("src")
		synctest.Wait()
		if n := f.added(s.path("src")); n != 2 {
			t.Errorf("src was watched %d times, want 2", n)
		}
		clear(s.seen)
		s.must(os.RemoveAll(s.path("src")))
		s.see("src")
		s.wantModes(Mode{Folders: 2})
	})
}

func TestUnreadableFolder(t *testing.T) {
	inRun(t, Options{}, func(s *stage, f *fake) {
		f.refuse(s.path("src"), syscall.EACCES)
		s.watch("src")
		f.answer(s)
		s.see("s")
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := f.added(s.path("src")); n < 10 || n > 15 {
			t.Errorf("src was tried %d times in a minute", n)
		}
		f.refuse(s.path("src"), nil)
		s.see("src")
		s.wantModes(Mode{Folders: 1})
	})
}

func TestSetOfRelativePaths(t *testing.T) {
	sets, batches := make(chan []string, 1), make(chan Batch)
	sets <- []string{"src"}
	err := Run(t.Context(), sets, batches, Options{})
	if err == nil || err.Error() != `watch "src": not an absolute path` {
		t.Errorf("the error is %v", err)
	}
	if _, ok := <-batches; ok {
		t.Error("a batch, want a closed channel")
	}
}

func TestEndOfSets(t *testing.T) {
	inRun(t, Options{}, func(s *stage, f *fake) {
		s.watch("src")
		f.answer(s)
		close(s.sets)
		s.see("s", "src")
		f.events <- fsnotify.Event{Name: s.path("src/file"), Op: fsnotify.Chmod}
		s.see("src/file")
	})
}

// Each bubble ends with an error if a goroutine is left.
func TestCancel(t *testing.T) {
	for _, when := range []string{"before the first set", "while it watches", "while a batch is offered", "while it polls"} {
		t.Run(when, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				f, sets, batches, ran := newFake(), make(chan []string), make(chan Batch), make(chan error)
				go func() { ran <- run(ctx, sets, batches, Options{Polling: when == "while it polls"}, f.open) }()
				if when != "before the first set" {
					sets <- []string{t.TempDir()}
				}
				if when == "while a batch is offered" {
					time.Sleep(100 * time.Millisecond)
				}
				cancel()
				if err := <-ran; err != nil {
					t.Errorf("Run: %v", err)
				}
				if _, ok := <-batches; ok {
					t.Error("a batch, want a closed channel")
				}
			})
		})
	}
}
