package main

import (
	"strings"
	"sync"
)

// warnings takes what a voice says in a daemon's planning. It is kept until the
// planning is over, since most of it was said by the one before; later lines are told
// as they come.
type warnings struct {
	story *teller

	mu   sync.Mutex
	kept []string // guarded by mu
	over bool     // guarded by mu
}

// Write implements io.Writer: whole lines.
func (w *warnings) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for line := range strings.Lines(string(p)) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "rebuild: warning: ")
		if w.over {
			w.story.warning(line)
		} else {
			w.kept = append(w.kept, line)
		}
	}
	return len(p), nil
}

// planned ends the planning, and gives what was said in it.
func (w *warnings) planned() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	return w.kept
}
