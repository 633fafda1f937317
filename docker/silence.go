package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// AnswersWithin is how long an engine usually may take until it begins to answer: one that
// is busy with a containerd store was seen to take 7 s.
const AnswersWithin = 30 * time.Second

// errSilent says that an engine takes connections and does not answer. An engine 20.10 was
// seen to do so for good, on some questions or on all.
var errSilent = errors.New("it does not answer")

// silence bounds the wait for an engine that says nothing.
type silence struct {
	timeout time.Duration

	mu  sync.Mutex // guards all below
	met bool       // it has answered once
	at  time.Time  // when it was given up last
}

func (s *silence) err() error { return fmt.Errorf("%w within %s", errSilent, s.timeout) }

// worded is an error of a question in our words.
func (s *silence) worded(err error) error {
	if strings.Contains(err.Error(), "timeout awaiting response headers") { // net/http has no type for it
		return s.err()
	}
	return err
}

// answered asks a question whose answer comes at once or not at all: one that stops in the
// middle is silence, too.
func answered[T any](ctx context.Context, s *silence, ask func(context.Context) (T, error)) (T, error) {
	asking, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	answer, err := ask(asking)
	if err != nil && asking.Err() != nil && ctx.Err() == nil {
		err = s.err() // the client's own error may have lost its type
	}
	return answer, err
}

// within gives up on an opening of a connection that gets no answer. The docker client does
// not look at the context while it waits.
func (s *silence) within(ctx context.Context, open func() (net.Conn, error)) (net.Conn, error) {
	type answer struct {
		conn net.Conn
		err  error
	}
	came := make(chan answer, 1)
	go func() {
		conn, err := open()
		came <- answer{conn, err}
	}()
	late := time.NewTimer(s.timeout)
	defer late.Stop()
	select {
	case a := <-came:
		return a.conn, a.err
	case <-ctx.Done():
	case <-late.C:
	}
	go func() {
		if a := <-came; a.conn != nil {
			_ = a.conn.Close() // nobody has it
		}
	}()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, s.err()
}

// hasMet tells whether the engine has answered as one.
func (s *silence) hasMet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.met
}

// meet waits for the engine's first answer, once: each question would wait anew, and the
// client asks for the version of the API before each. Who asks again soon after it was given
// up is told at once. Any other trouble is told by the question that follows.
func (e *Engine) meet(ctx context.Context) error {
	s := &e.silence
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.met {
		return nil
	}
	if !s.at.IsZero() && time.Since(s.at) < s.timeout {
		return s.err()
	}
	pinging, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	answer, err := e.api.Ping(pinging)
	switch {
	case err == nil:
		e.api.NegotiateAPIVersionPing(answer)
		s.met = true
	case ctx.Err() == nil && pinging.Err() != nil:
		s.at = time.Now()
		return s.err()
	}
	return nil
}
