package watch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestScripts runs each script of testdata over both backends. A script is the
// comment of an archive whose files are there at the start. Its commands:
//
//	watch DIR...      send a set of folders; s, where sentinels go, is always in it
//	write FILE        write other content to a file, in place
//	mkdir, rm, mv, ln TARGET LINK, chmod MODE PATH
//	see PATH...       receive batches until each path (or one of PATH|PATH) has come;
//	                  then forget all
//	not PATH...       receive what the commands since the last see led to: without these
//	                  (name none that was written to before: polling reports a file
//	                  that changed just before a look once more)
//
// After a see, and before a not is judged, a sentinel is written and waited for.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts found", err)
	}
	for _, name := range scripts {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, polling := range []bool{false, true} {
			way := "events"
			if polling {
				way = "polling"
			}
			t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar")+"/"+way, func(t *testing.T) {
				t.Parallel()
				s := newStage(t, Options{Quiet: 5 * time.Millisecond, Poll: 10 * time.Millisecond, Polling: polling})
				for _, f := range archive.Files {
					s.write(f.Name, string(f.Data))
				}
				for i, line := range strings.Split(string(archive.Comment), "\n") {
					s.where = fmt.Sprintf("%s:%d: %s", name, i+1, line)
					line, _, _ = strings.Cut(line, "#")
					if fields := strings.Fields(line); len(fields) > 0 {
						s.do(fields[0], fields[1:])
					}
				}
				if len(s.modes) != 1 || s.modes[0].Polling != polling {
					t.Errorf("the modes were %+v", s.modes)
				}
			})
		}
	}
}

// stage is a folder with a Run over it.
type stage struct {
	t       *testing.T
	root    string
	where   string
	timeout <-chan struct{} // nothing is waited for after it is closed
	sets    chan []string
	batches chan Batch
	seen    map[string]bool
	lost    bool
	count   int    // of writes and sentinels, so that no two are alike
	modes   []Mode // what Notice said
}

func newStage(t *testing.T, o Options) *stage {
	return newStageOver(t, o, openFsnotify, 30*time.Second)
}

// newStageOver runs over a source of events. A test that hangs ends after the time;
// nothing is judged by it.
func newStageOver(t *testing.T, o Options, open func() (*source, error), end time.Duration) *stage {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), end)
	s := &stage{
		t: t, root: root, where: t.Name(), timeout: ctx.Done(),
		sets: make(chan []string), batches: make(chan Batch), seen: map[string]bool{},
	}
	s.mkdir("s")
	ran := make(chan error, 1)
	o.Notice = func(m Mode) { s.modes = append(s.modes, m) }
	running, stop := context.WithCancel(t.Context())
	go func() { ran <- run(running, s.sets, s.batches, o, open) }()
	t.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
		for range s.batches { // until it is closed
		}
		cancel()
	})
	return s
}

func (s *stage) path(name string) string { return filepath.Join(s.root, filepath.FromSlash(name)) }

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("%s: %v", s.where, err)
	}
}

func (s *stage) write(name, text string) {
	s.t.Helper()
	s.must(os.MkdirAll(filepath.Dir(s.path(name)), 0o777))
	s.must(os.WriteFile(s.path(name), []byte(text), 0o666))
}

func (s *stage) mkdir(name string) { s.must(os.MkdirAll(s.path(name), 0o777)) }

func (s *stage) watch(names ...string) {
	set := []string{s.path("s")}
	for _, name := range names {
		set = append(set, s.path(name))
	}
	// The second one is equal, and taken when the first is in force.
	for range 2 {
		select {
		case s.sets <- set:
		case <-s.timeout:
			s.t.Fatalf("%s: the set was not taken", s.where)
		}
	}
}

func (s *stage) do(command string, args []string) {
	s.t.Helper()
	switch command {
	case "watch":
		s.watch(args...)
	case "write":
		s.count++
		s.write(args[0], strings.Repeat("x", s.count))
	case "mkdir":
		s.mkdir(args[0])
	case "rm":
		s.must(os.RemoveAll(s.path(args[0])))
	case "mv":
		s.must(os.Rename(s.path(args[0]), s.path(args[1])))
	case "ln":
		s.must(os.Symlink(filepath.FromSlash(args[0]), s.path(args[1])))
	case "chmod":
		mode, err := strconv.ParseUint(args[0], 8, 12)
		s.must(err)
		s.must(os.Chmod(s.path(args[1]), os.FileMode(mode)))
	case "see":
		s.see(args...)
		s.sentinel()
		clear(s.seen)
	case "not":
		s.sentinel()
		for _, name := range args {
			if s.seen[s.path(name)] {
				s.t.Errorf("%s: %s was reported", s.where, name)
			}
		}
	default:
		s.t.Fatalf("%s: unknown command", s.where)
	}
}

// see receives batches until each of the paths has come since the last clear.
func (s *stage) see(names ...string) {
	s.t.Helper()
	for _, name := range names {
		s.until(name+" has come", func() bool {
			return slices.ContainsFunc(strings.Split(name, "|"), func(name string) bool { return s.seen[s.path(name)] })
		})
	}
}

func (s *stage) until(what string, done func() bool) {
	s.t.Helper()
	for !done() {
		select {
		case batch := <-s.batches:
			s.lost = s.lost || batch.Lost
			for _, path := range batch.Paths {
				s.seen[path] = true
			}
		case <-s.timeout:
			s.t.Fatalf("%s: waited in vain until %s; seen: %v", s.where, what, s.seen)
		}
	}
}

// sentinel waits until what happened before has been seen.
func (s *stage) sentinel() {
	s.t.Helper()
	s.count++
	name := fmt.Sprintf("s/sentinel-%d", s.count)
	s.write(name, "")
	s.see(name)
}
