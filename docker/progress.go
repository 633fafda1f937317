package docker

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	digest "github.com/opencontainers/go-digest"

	"rebuild/impact/safefile"
)

// Progress is the one display of all builds, BuildKit's own. Its methods may be
// called concurrently.
type Progress struct {
	feed *feed
	text func(string) string // how a step is named; nil: as BuildKit names it
}

// NewProgress shows builds on out. Mode is auto, tty, plain, json (or rawjson)
// or quiet; "" is auto, which takes tty when out is a terminal. text makes one line of what
// names a step, for people, whatever is in it; nil leaves names as they are. What a step
// prints is left as it is, as docker's own builds leave it.
func NewProgress(out io.Writer, mode string, text func(string) string) (*Progress, error) {
	if mode == "json" {
		mode = string(progressui.RawJSONMode)
	}
	if mode == string(progressui.RawJSONMode) {
		text = nil
	}
	display, err := progressui.NewDisplay(out, progressui.DisplayMode(mode))
	if err != nil {
		return nil, fmt.Errorf("progress %q: %w", mode, err)
	}
	return &Progress{newFeed(display), text}, nil
}

// Image is where the build of one image is shown, each of its steps marked with
// the image's name as bake does it.
func (p *Progress) Image(name string) ProgressSink {
	return &imageSink{name: name, text: p.text, to: p.feed}
}

// Close ends the display, when all it was told is drawn. Later statuses are
// dropped.
func (p *Progress) Close() error { return p.feed.close() }

// feed drives a display.
type feed struct {
	mu     sync.RWMutex // guards closed and the closing of in
	closed bool
	in     chan *client.SolveStatus // closed by close
	done   chan error
}

func newFeed(display progressui.Display) *feed {
	f := &feed{in: make(chan *client.SolveStatus), done: make(chan error, 1)}
	go func() {
		// Not the build's context: what a cancelled build says is drawn too.
		_, err := display.UpdateFrom(context.Background(), f.in)
		f.done <- err
	}()
	return f
}

func (f *feed) Write(s *client.SolveStatus) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if !f.closed {
		f.in <- s
	}
}

func (f *feed) close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	f.closed = true
	close(f.in)
	f.mu.Unlock()
	return <-f.done
}

// imageSink marks one image's statuses.
type imageSink struct {
	name string
	text func(string) string // nil: as it is
	to   ProgressSink
}

// Write passes a marked copy on. Digests are made the image's own: two builds
// that share a vertex would else be drawn as one.
func (s *imageSink) Write(in *client.SolveStatus) {
	out := &client.SolveStatus{
		Vertexes: make([]*client.Vertex, len(in.Vertexes)),
		Statuses: make([]*client.VertexStatus, len(in.Statuses)),
		Logs:     make([]*client.VertexLog, len(in.Logs)),
		Warnings: make([]*client.VertexWarning, len(in.Warnings)),
	}
	for i, v := range in.Vertexes {
		c := *v
		c.Digest, c.Name, c.Error = s.own(v.Digest), s.mark(v.Name), s.clean(v.Error)
		c.Inputs = make([]digest.Digest, len(v.Inputs))
		for j, input := range v.Inputs {
			c.Inputs[j] = s.own(input)
		}
		if v.ProgressGroup != nil {
			group := v.ProgressGroup.CloneVT()
			group.Id, group.Name = s.name+"\x00"+group.Id, s.mark(group.Name)
			c.ProgressGroup = group
		}
		out.Vertexes[i] = &c
	}
	for i, v := range in.Statuses {
		c := *v
		c.Vertex, c.ID = s.own(v.Vertex), s.clean(v.ID)
		out.Statuses[i] = &c
	}
	for i, v := range in.Logs {
		c := *v
		c.Vertex = s.own(v.Vertex)
		out.Logs[i] = &c
	}
	for i, v := range in.Warnings {
		c := *v
		c.Vertex, c.Short = s.own(v.Vertex), []byte(s.clean(string(v.Short)))
		out.Warnings[i] = &c
	}
	s.to.Write(out)
}

func (s *imageSink) own(d digest.Digest) digest.Digest {
	return digest.FromString(s.name + "\x00" + d.String())
}

// mark puts the image's name before a step's, inside of its brackets.
func (s *imageSink) mark(step string) string {
	if rest, ok := strings.CutPrefix(step, "["); ok {
		step = "[" + s.name + " " + rest
	} else {
		step = "[" + s.name + "] " + step
	}
	return s.clean(step)
}

func (s *imageSink) clean(text string) string {
	if s.text == nil {
		return text
	}
	return s.text(text)
}

// Sinks writes to several.
type Sinks []ProgressSink

// Write implements ProgressSink.
func (all Sinks) Write(s *client.SolveStatus) {
	for _, sink := range all {
		sink.Write(s)
	}
}

// statusTee gives one build's statuses to its log file and to the display.
type statusTee struct {
	log  *feed // nil: none
	file *os.File
	show ProgressSink // nil: none
}

func newStatusTee(logFile string, show ProgressSink) (*statusTee, error) {
	t := &statusTee{show: show}
	if logFile == "" {
		return t, nil
	}
	file, err := safefile.Open(logFile, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return nil, err
	}
	display, err := progressui.NewDisplay(file, progressui.PlainMode)
	if err != nil {
		_ = file.Close() // nothing was written
		return nil, err
	}
	t.file, t.log = file, newFeed(display)
	return t, nil
}

func (t *statusTee) Write(s *client.SolveStatus) {
	// The log's display keeps what it is given: it comes last.
	if t.show != nil {
		t.show.Write(s)
	}
	if t.log != nil {
		t.log.Write(s)
	}
}

func (t *statusTee) Close() error {
	if t.log == nil {
		return nil
	}
	err := t.log.close()
	if closeErr := t.file.Close(); err == nil {
		err = closeErr
	}
	return err
}
