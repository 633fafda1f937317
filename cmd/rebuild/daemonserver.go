package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// The daemon answers HTTP on a unix socket: GET /status, POST /wait, /pause, /resume
// and /stop. Only its user may open the socket.

// waiter is a client that waits for the daemon to come to rest after all that was
// saved before it asked: a file that it has written is seen by the watcher after
// those.
type waiter struct {
	mark  string
	seen  bool
	reply chan waitReply // of one
}

func (w *waiter) answer(r waitReply) { w.reply <- r }

// waitReply is what a waiter hears.
type waitReply struct {
	Failed []string `json:"failed,omitempty"` // what is not up to date
	Error  string   `json:"error,omitempty"`
	Hint   string   `json:"hint,omitempty"`
}

// stoppedReply is for those who wait when the daemon ends.
var stoppedReply = waitReply{Error: "the daemon was stopped", Hint: "rebuild watch -d"}

// socketPath is where the daemon of a state folder listens. A socket's path must be
// short (108 bytes on Linux), so it lies in a folder of the user's own, not beside the
// records.
func socketPath(state string) (string, error) {
	name := shortDigest("daemon", state) + ".sock"
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "rebuild", name), nil
	}
	dir := filepath.Join(os.TempDir(), "rebuild-"+strconv.Itoa(os.Getuid()))
	if err := socketFolder(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	return filepath.Join(dir, name), nil
}

// socketFolder tells what is wrong with a folder for sockets: where anybody may make
// folders, another user may have been first.
func socketFolder(dir string) error {
	fi, err := os.Lstat(dir)
	if err == nil && (!fi.IsDir() || !ownFolder(fi)) {
		err = hinted{fmt.Errorf("%s: it is not a folder that only this user may open", dir), "rm -r " + dir + ", or set XDG_RUNTIME_DIR"}
	}
	return err
}

// listen opens the socket. The caller holds the daemon's lock, so that one that is
// there is nobody's.
func listen(ctx context.Context, path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := socketFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("socket: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("socket: %w", err)
	}
	return l, nil
}

// server is the daemon as clients see it.
type server struct {
	d    *daemon
	ctx  context.Context // of the daemon
	stop context.CancelCauseFunc
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", s.status)
	mux.HandleFunc("POST /wait", s.wait)
	mux.HandleFunc("POST /pause", s.pause(true))
	mux.HandleFunc("POST /resume", s.pause(false))
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		s.stop(errStop)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if root := r.Header.Get(rootHeader); root != "" && root != s.d.root {
			w.WriteHeader(http.StatusConflict)
			_ = json.NewEncoder(w).Encode(s.d.root) // the client has gone
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// call has the loop run f, unless one of both ends first.
func (s *server) call(ctx context.Context, f func()) bool {
	done := make(chan struct{})
	select {
	case s.d.calls <- func() { f(); close(done) }:
		<-done
		return true
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
	return false
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}

// now is the daemon's status, false when it is ending.
func (s *server) now(ctx context.Context) (st daemonStatus, ok bool) {
	ok = s.call(ctx, func() { st = s.d.status() })
	return st, ok
}

func (s *server) status(w http.ResponseWriter, r *http.Request) {
	if st, ok := s.now(r.Context()); ok {
		reply(w, st)
	}
}

func (s *server) pause(on bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.call(r.Context(), func() { s.d.pause(on) }) {
			w.WriteHeader(http.StatusNoContent)
		}
	}
}

func (s *server) wait(w http.ResponseWriter, r *http.Request) {
	mark := filepath.Join(s.d.marks, "wait-"+strconv.FormatInt(time.Now().UnixNano(), 36))
	waiting := &waiter{mark: mark, reply: make(chan waitReply, 1)}
	if !s.call(r.Context(), func() { s.d.waiters = append(s.d.waiters, waiting) }) {
		reply(w, stoppedReply)
		return
	}
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		s.call(s.ctx, func() { s.d.forget(waiting) })
		reply(w, waitReply{Error: fmt.Sprintf("marker: %v", err)})
		return
	}
	defer func() { _ = os.Remove(mark) }() // the next daemon clears what is left
	select {
	case answer := <-waiting.reply:
		reply(w, answer)
	case <-s.ctx.Done():
		reply(w, stoppedReply)
	case <-r.Context().Done():
		s.call(s.ctx, func() { s.d.forget(waiting) })
	}
}
