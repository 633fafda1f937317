package session

import "sync"

// Warnings keep what a session warns of until they are taken, and hand on what comes
// later: of a daemon's plannings each says most of what the one before said.
type Warnings struct {
	Later func(string)

	mu   sync.Mutex
	kept []string // guarded by mu
	over bool     // guarded by mu
}

// Add takes a warning (Options.Warn).
func (w *Warnings) Add(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		w.Later(text)
	} else {
		w.kept = append(w.kept, text)
	}
}

// Take gives what was kept. All that comes from now on is handed on.
func (w *Warnings) Take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	return w.kept
}
