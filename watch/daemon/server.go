package daemon

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
)

// rootHeader names the working tree that a request is about.
const rootHeader = "Rebuild-Root"

// server is the daemon as clients see it. It answers HTTP: GET /status, POST /wait,
// /pause, /resume and /stop.
type server struct {
	document    func(Status) any // Options.Document
	root, marks string
	loop        *loop           // only what call runs may touch it
	ended       <-chan struct{} // when the daemon ends
	stop        context.CancelCauseFunc
	waits       atomic.Int64 // so that no two markers have one name
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", s.status)
	mux.HandleFunc("POST /wait", s.wait)
	mux.HandleFunc("POST /pause", s.pause(true))
	mux.HandleFunc("POST /resume", s.pause(false))
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		s.stop(ErrStopped)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if root := r.Header.Get(rootHeader); root != "" && root != s.root {
			w.WriteHeader(http.StatusConflict)
			_ = json.NewEncoder(w).Encode(s.root) // the client has gone
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// call has the loop run f, unless ctx or the daemon ends first.
func (s *server) call(ctx context.Context, f func()) bool {
	done := make(chan struct{})
	select {
	case s.loop.calls <- func() { f(); close(done) }:
		<-done
		return true
	case <-ctx.Done():
	case <-s.ended:
	}
	return false
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}

// now is the daemon's status, false when it is ending.
func (s *server) now(ctx context.Context) (st Status, ok bool) {
	ok = s.call(ctx, func() { st = s.loop.status() })
	return st, ok
}

func (s *server) status(w http.ResponseWriter, r *http.Request) {
	st, ok := s.now(r.Context())
	switch {
	case !ok:
	case s.document != nil:
		reply(w, s.document(st))
	default:
		reply(w, st)
	}
}

func (s *server) pause(on bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.call(r.Context(), func() { s.loop.pause(on) }) {
			w.WriteHeader(http.StatusNoContent)
		}
	}
}

func (s *server) wait(w http.ResponseWriter, r *http.Request) {
	mark := filepath.Join(s.marks, "wait-"+strconv.FormatInt(s.waits.Add(1), 10))
	waiting := &waiter{mark: mark, reply: make(chan Answer, 1)}
	if !s.call(r.Context(), func() { s.loop.waiters = append(s.loop.waiters, waiting) }) {
		reply(w, Answer{Rest: Ended})
		return
	}
	forget := func() { s.call(context.WithoutCancel(r.Context()), func() { s.loop.forget(waiting) }) }
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		forget()
		reply(w, Answer{Rest: Unmarked, Error: err.Error()})
		return
	}
	defer func() { _ = os.Remove(mark) }() // the next daemon clears what is left
	select {
	case answer := <-waiting.reply:
		reply(w, answer)
	case <-s.ended:
		reply(w, Answer{Rest: Ended})
	case <-r.Context().Done():
		forget()
	}
}
