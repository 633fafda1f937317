package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync"
	"time"

	"rebuild/impact/tree"
)

// afterImage is a command to run after the build of an image (on_success).
type afterImage struct {
	name    string
	tags    []string
	id      string
	command string
}

// afterwards runs such commands, one after another, in the order in which the images
// were built. A newer build of an image takes the place of one that waits.
type afterwards struct {
	dir   string // where they run
	story *teller
	more  chan struct{} // of one: there is something to run

	mu    sync.Mutex
	queue []afterImage // guarded by mu
}

func newAfterwards(dir string, s *teller) *afterwards {
	return &afterwards{dir: dir, story: s, more: make(chan struct{}, 1)}
}

func (a *afterwards) add(after afterImage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, waiting := range a.queue {
		if waiting.name == after.name {
			a.queue[i] = after
			return
		}
	}
	a.queue = append(a.queue, after)
	select {
	case a.more <- struct{}{}:
	default: // it knows
	}
}

func (a *afterwards) next() (afterImage, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) == 0 {
		return afterImage{}, false
	}
	first := a.queue[0]
	a.queue = a.queue[1:]
	return first, true
}

// run works until ctx ends, which also ends the command that runs.
func (a *afterwards) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.more:
		}
		for after, ok := a.next(); ok && ctx.Err() == nil; after, ok = a.next() {
			begun := time.Now()
			output, err := a.do(ctx, after)
			a.story.after(after, time.Since(begun), err, output)
		}
	}
}

// afterLines is how many lines of a command's output are shown when it fails.
const afterLines = 20

func (a *afterwards) do(ctx context.Context, after afterImage) ([]string, error) {
	cmd := shellCommand(ctx, after.command)
	cmd.Dir = a.dir
	cmd.Env = append(tree.WithoutGit(os.Environ()),
		"REBUILD_IMAGE="+after.name, "REBUILD_TAGS="+strings.Join(after.tags, " "), "REBUILD_IMAGE_ID="+after.id)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second // for children that keep the output open
	err := cmd.Run()
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	return lines[max(0, len(lines)-afterLines):], err
}
