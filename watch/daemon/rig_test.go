package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rebuild/watch"
)

// rig is a daemon that runs on a world, with a client of it.
type rig struct {
	*world
	client *Client
	marks  string
	stop   context.CancelCauseFunc
	ended  chan error
}

var errEnough = errors.New("the test is over")

// start starts a daemon, and ends it with the test.
func start(w *world, change ...func(*Options)) *rig {
	o := w.options()
	l := newPipeListener()
	o.Listener = l
	for _, f := range change {
		f(&o)
	}
	ctx, stop := context.WithCancelCause(w.t.Context())
	r := &rig{world: w, client: newClient(root, l.dial), marks: o.Marks, stop: stop, ended: make(chan error, 1)}
	go func() { r.ended <- Run(ctx, o) }()
	return r
}

// story runs a daemon on a world, within a bubble, and looks at the end whether each
// planning was closed.
func story(t *testing.T, images []image, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(t, newWorld(t, images...))
	})
}

// end ends the daemon, and gives its error. All that it held is given up then.
func (r *rig) end() error {
	r.t.Helper()
	r.stop(errEnough)
	return r.over()
}

func (r *rig) over() error {
	r.t.Helper()
	err := <-r.ended
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, p := range r.plannings {
		if p.closed != 1 || p.saved != 1 {
			r.t.Errorf("planning %d of %d was closed %d times, and saved %d times", i+1, len(r.plannings), p.closed, p.saved)
		}
	}
	if r.running || r.planning {
		r.t.Error("something goes on after the end")
	}
	return err
}

// settle gives the daemon time to come to rest.
func (r *rig) settle() {
	time.Sleep(time.Minute)
	synctest.Wait()
}

// after gives it that much time.
func (r *rig) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *rig) status() Status {
	r.t.Helper()
	s, err := r.client.Status(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// built are the builds that were begun since the last call.
func (r *rig) built(want string) {
	r.t.Helper()
	r.set(func() {
		if got := strings.Join(r.began, " "); got != want {
			r.t.Errorf("built %q, want %q", got, want)
		}
		r.began = nil
	})
}

// shows holds the status against "STATE; IMAGE STATE[, WAITS FOR]; …".
func (r *rig) shows(want string) {
	r.t.Helper()
	if got := statusText(r.status()); got != want {
		r.t.Errorf("the status is\n%s, want\n%s", got, want)
	}
}

func statusText(s Status) string {
	parts := []string{string(s.State)}
	for _, im := range s.Images {
		text := im.Name + " " + string(im.State)
		if im.Waits != nil {
			text += ", " + strings.TrimSpace(string(im.Waits.Kind)+" "+im.Waits.For)
		}
		if im.State == ImageFailed && im.Failure == nil {
			text += " for no reason"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// told are the events since the last call, without those of plain builds.
func (r *rig) told(want ...string) {
	r.t.Helper()
	r.set(func() {
		var got []string
		for _, e := range r.events {
			if text := eventText(e); text != "" {
				got = append(got, text)
			}
		}
		r.events = nil
		if !slices.Equal(got, want) {
			r.t.Errorf("told %q, want %q", got, want)
		}
	})
}

func eventText(e Event) string {
	switch e := e.(type) {
	case Watching, Building, Built:
		return ""
	case EngineAway:
		return "engine away"
	case EngineBack:
		return "engine back"
	case DefinitionBroken:
		return fmt.Sprintf("broken: %v, uses old: %v", e.Err, e.UsesOld)
	case DefinitionRead:
		return "read again"
	case Failed:
		return fmt.Sprintf("%s failed: %s:%d %s", e.Image, e.Failure.File, e.Failure.Line, e.Failure.What)
	case WaitsForLock:
		return fmt.Sprintf("waits for process %d", e.Holder.PID)
	case RunFailed:
		return "run: " + e.Err.Error()
	case CommandRan:
		return fmt.Sprintf("ran %s: %v", e.Command.Line, e.Err)
	}
	return strings.TrimPrefix(fmt.Sprintf("%T%v", e, e), "daemon.")
}

// wait has a client wait, whose marker the watcher sees.
func (r *rig) wait() <-chan Answer {
	answers := make(chan Answer, 1)
	go func() {
		a, err := r.client.Wait(r.t.Context())
		if err != nil {
			a.Error = err.Error()
		}
		answers <- a
	}()
	synctest.Wait()
	r.seeMarks()
	return answers
}

// seeMarks has the watcher see the markers that there are.
func (r *rig) seeMarks() {
	marks, err := filepath.Glob(filepath.Join(r.marks, "*"))
	if err != nil {
		r.t.Fatal(err)
	}
	if len(marks) > 0 {
		r.hints <- watch.Batch{Paths: marks}
	}
}

// hears takes the answer that a waiter has got by now.
func (r *rig) hears(answers <-chan Answer, rest Rest, images ...string) Answer {
	r.t.Helper()
	synctest.Wait()
	select {
	case a := <-answers:
		var got []string
		for _, im := range a.Images {
			got = append(got, im.Name)
		}
		if a.Rest != rest || !slices.Equal(got, images) {
			r.t.Errorf("the answer is %+v, want %s and %q", a, rest, images)
		}
		return a
	default:
		r.t.Errorf("no answer yet, want %s", rest)
	}
	return Answer{}
}

func (r *rig) hearsNothing(answers <-chan Answer) {
	r.t.Helper()
	synctest.Wait()
	select {
	case a := <-answers:
		r.t.Errorf("an early answer: %+v", a)
	default:
	}
}

// pipeListener is a listener in memory, so that time stands still for its clients.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
