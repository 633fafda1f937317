package session

import (
	"net"
	"path/filepath"
	"testing"
)

// An engine that takes connections and says nothing does not keep a session from being
// closed.
func TestCloseEndsQuestions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "engine.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			if _, err := l.Accept(); err != nil {
				return
			}
		}
	}()
	dir := t.TempDir()
	s := &Session{place: Place{Host: "unix://" + path}, State: dir, warn: func(string) {}}
	if err := s.connect(t.Context(), Asked); err != nil {
		t.Fatal(err)
	}
	s.Close() // else the test never ends
}
