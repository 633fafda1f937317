package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"rebuild/cmd/rebuild/session"
	"rebuild/watch/daemon"
)

// TestWatchStories are stories of the daemon on a real engine.
func TestWatchStories(t *testing.T) { engineStories(t, "testdata/watch") }

const (
	storyPatience = 30 * time.Second      // with what a story waits for
	storyPoll     = 20 * time.Millisecond // between two looks for it
)

// await looks again and again until done, which gives what was seen last.
func await(ts *testscript.TestScript, what string, done func() (bool, string)) {
	ctx, cancel := context.WithTimeout(context.Background(), storyPatience)
	defer cancel()
	tick := time.NewTicker(storyPoll)
	defer tick.Stop()
	for {
		ok, seen := done()
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%s did not come in %s:\n%s", what, storyPatience, seen)
		case <-tick.C:
		}
	}
}

// logged waits until the daemon's log tells something: logged REGEXP [TIMES]
func logged(ts *testscript.TestScript, _ bool, args []string) {
	want, times := regexp.MustCompile(args[0]), 1
	if len(args) > 1 {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		times = n
	}
	path := ts.MkAbs(".git/rebuild/watch.log")
	await(ts, strconv.Quote(args[0]), func() (bool, string) {
		said := messages(path)
		n := 0
		for _, line := range said {
			if want.MatchString(line) {
				n++
			}
		}
		return n >= times, strings.Join(said, "\n")
	})
}

// messages are those of a daemon's log.
func messages(path string) []string {
	data, err := os.ReadFile(path)
	if err != nil {
		return []string{err.Error()}
	}
	var said []string
	for line := range strings.Lines(string(data)) {
		var entry struct{ Message string }
		if json.Unmarshal([]byte(line), &entry) == nil {
			said = append(said, entry.Message)
		}
	}
	return said
}

// shows waits until the daemon's status, as JSON, matches: shows REGEXP
func shows(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[0])
	socket, err := daemon.SocketPath(ts.MkAbs(".git/rebuild"))
	ts.Check(err)
	socket = filepath.Join(ts.Getenv("TMPDIR"), "rebuild-"+strconv.Itoa(os.Getuid()), filepath.Base(socket))
	c := daemon.NewClient(socket, ts.MkAbs("."))
	await(ts, strconv.Quote(args[0]), func() (bool, string) {
		s, err := c.Status(context.Background())
		if err != nil {
			return false, err.Error()
		}
		text, err := json.Marshal(newStatusDocument(s))
		ts.Check(err)
		return want.Match(text), string(text)
	})
}

// appears waits until there is a file: appears GLOB
func appears(ts *testscript.TestScript, _ bool, args []string) {
	await(ts, args[0], func() (bool, string) {
		found, err := filepath.Glob(ts.MkAbs(args[0]))
		return len(found) > 0 && err == nil, "nothing is there"
	})
}

// What a daemon, or the lack of one, says comes with what cures it.
func TestDaemonHint(t *testing.T) {
	for want, err := range map[string]error{
		"rebuild watch -d": &daemon.NotRunning{Root: "/r"},
		"rebuild -C /other stop, then rebuild watch -d": &daemon.Elsewhere{Root: "/r", Watched: "/other"},
		"rm -r /tmp/x, or set XDG_RUNTIME_DIR":          &daemon.OpenFolder{Dir: "/tmp/x"},
		"":                                              session.ErrGone,
	} {
		if got := hintOf(daemonHint(err)); got != want {
			t.Errorf("%v: the hint is %q, want %q", err, got, want)
		}
	}
	if daemonHint(nil) != nil {
		t.Error("a hint without an error")
	}
}

// endDaemons ends those that a story has left.
func endDaemons(t *testing.T, work string) {
	sockets, err := filepath.Glob(filepath.Join(work, ".tmp", "rebuild-*", "*.sock"))
	if err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), storyPatience)
	defer cancel()
	tick := time.NewTicker(storyPoll)
	defer tick.Stop()
	for _, path := range sockets {
		c := daemon.NewClient(path, "")
		for {
			var none *daemon.NotRunning
			err := c.Stop(ctx)
			if errors.As(err, &none) {
				break
			}
			select {
			case <-ctx.Done():
				t.Errorf("the daemon at %s does not end: %v", path, err)
				return
			case <-tick.C:
			}
		}
	}
}
