package daemon

import "slices"

// waiter is a client that waits for the daemon to come to rest after all that was
// saved before it asked: a file that it has written is seen by the watcher after
// those.
type waiter struct {
	mark  string
	seen  bool
	reply chan Answer // of one
}

// Rest is how the daemon came to rest, for one who waits.
type Rest string

// The ways to come to rest.
const (
	Rested     Rest = "rested"   // nothing is left to do
	RestPaused Rest = "paused"   // nothing more is begun
	RestStuck  Rest = "stuck"    // no build could begin or go on
	Ended      Rest = "ended"    // the daemon was stopped
	Unmarked   Rest = "unmarked" // no marker could be written, so that nobody can tell
)

// Answer is what those hear who waited.
type Answer struct {
	Rest   Rest          `json:"rest"`
	Images []ImageStatus `json:"images,omitempty"` // that are not up to date, when rested
	Error  string        `json:"error,omitempty"`  // why the definition cannot be read, the run is stuck, or there is no marker
}

// answerWaiters answers those for whom the daemon has come to rest.
func (l *loop) answerWaiters() {
	if len(l.waiters) == 0 {
		return
	}
	var left []*waiter
	for _, w := range l.waiters {
		switch {
		case l.paused:
			w.reply <- Answer{Rest: RestPaused}
		case w.seen && l.idle():
			w.reply <- l.rested()
		case w.seen && l.stuck != nil && l.active == nil && !l.dirty && !l.planning:
			w.reply <- Answer{Rest: RestStuck, Error: l.stuck.Error()}
		default:
			left = append(left, w)
		}
	}
	l.waiters = left
}

// forget drops a waiter that has gone.
func (l *loop) forget(gone *waiter) {
	l.waiters = slices.DeleteFunc(l.waiters, func(w *waiter) bool { return w == gone })
}

// rested tells what is not up to date though nothing is left to do.
func (l *loop) rested() Answer {
	a := Answer{Rest: Rested}
	for _, im := range l.status().Images {
		if im.State == ImageFailed || im.State == ImageStale {
			a.Images = append(a.Images, im)
		}
	}
	if l.broken != nil {
		a.Error = l.broken.Error()
	}
	return a
}
