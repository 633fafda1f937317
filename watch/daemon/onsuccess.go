package daemon

import (
	"context"
	"sync"
	"time"
)

// Command is a line for the shell that the definition has run after each build of an
// image that succeeded (on_success).
type Command struct {
	Image   string
	Tags    []string
	ImageID string
	Line    string
}

// commandQueue runs such commands, one after another, in the order in which the images
// were built. A newer build of an image takes the place of one that waits.
type commandQueue struct {
	do     func(ctx context.Context, c Command) ([]string, error) // nil: none is run
	events func(Event)
	more   chan struct{} // of one: there is something to run

	mu    sync.Mutex
	queue []Command // guarded by mu
}

func newCommandQueue(do func(context.Context, Command) ([]string, error), events func(Event)) *commandQueue {
	return &commandQueue{do: do, events: events, more: make(chan struct{}, 1)}
}

func (q *commandQueue) add(c Command) {
	if q.do == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, queued := range q.queue {
		if queued.Image == c.Image {
			q.queue[i] = c
			return
		}
	}
	q.queue = append(q.queue, c)
	select {
	case q.more <- struct{}{}:
	default: // it knows
	}
}

func (q *commandQueue) next() (Command, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		return Command{}, false
	}
	first := q.queue[0]
	q.queue = q.queue[1:]
	return first, true
}

// run works until ctx ends, which also ends the command that runs.
func (q *commandQueue) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.more:
		}
		for c, ok := q.next(); ok && ctx.Err() == nil; c, ok = q.next() {
			begun := time.Now()
			output, err := q.do(ctx, c)
			q.events(CommandRan{Command: c, Took: time.Since(begun), Err: err, Output: output})
		}
	}
}
