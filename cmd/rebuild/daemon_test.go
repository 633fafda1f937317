package main

import (
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"rebuild/watch"
)

// A marker is planned for when somebody waits for it, and not when it goes.
func TestTakeMarks(t *testing.T) {
	marks, root := t.TempDir(), t.TempDir()
	mark := filepath.Join(marks, "wait-1")
	d := &daemon{marks: marks, again: map[string]int{"a": 1}, story: newTeller(zerolog.Nop())}
	d.take(watch.Batch{Paths: []string{mark}})
	if d.dirty {
		t.Error("a marker that nobody waits for is planned for")
	}
	w := &waiter{mark: mark}
	d.waiters = []*waiter{w}
	d.take(watch.Batch{Paths: []string{mark}})
	if !d.dirty || !w.seen {
		t.Errorf("dirty %v, seen %v", d.dirty, w.seen)
	}
	if len(d.again) == 0 {
		t.Error("a marker counts as a change of files")
	}
	d.dirty = false
	d.take(watch.Batch{Paths: []string{filepath.Join(root, "file"), mark}})
	if !d.dirty || len(d.again) > 0 {
		t.Errorf("dirty %v, again %v", d.dirty, d.again)
	}
	d.dirty = false
	d.take(watch.Batch{Lost: true})
	if !d.dirty {
		t.Error("lost events are not planned for")
	}
}
