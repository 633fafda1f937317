package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"rebuild/docker"
	"rebuild/impact"
	"rebuild/impact/tree"
)

// The voice of the program: stdout is the answer, stderr the story. A message is
// "rebuild: error: what path:line: cause" or "rebuild: warning: …", followed by
// "rebuild: hint: …" with the exact command or edit that cures it; lower case, no
// full stop. An error is printed once, here.

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1 // an image failed
	exitUsage       = 2 // usage, configuration, git or Dockerfile error
	exitUnreachable = 3 // the engine cannot be reached
	exitInterrupted = 130
)

type voice struct {
	out, err io.Writer
	color    bool

	mu     sync.Mutex
	warned map[string]bool // guarded by mu
}

func newVoice(out, err io.Writer) *voice {
	return &voice{out: out, err: err, color: isTerminal(out) && os.Getenv("NO_COLOR") == "", warned: map[string]bool{}}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeCharDevice != 0
}

// say writes a line of the answer.
func (v *voice) say(format string, args ...any) { fmt.Fprintf(v.out, format+"\n", args...) }

// tell writes a line of the story.
func (v *voice) tell(format string, args ...any) { fmt.Fprintf(v.err, format+"\n", args...) }

// warn says each warning once.
func (v *voice) warn(format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.warned[msg] {
		v.warned[msg] = true
		fmt.Fprintf(v.err, "rebuild: warning: %s\n", msg)
	}
}

// hold keeps the story back until it is known whether there is one: the function
// that it gives tells it, or forgets it.
func (v *voice) hold() (end func(tell bool)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	story, kept := v.err, &bytes.Buffer{}
	v.err = kept
	return func(tell bool) {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.err = story; tell {
			_, _ = kept.WriteTo(story) // nobody is left to hear that it cannot be told
		} else {
			clear(v.warned)
		}
	}
}

func (v *voice) hint(hint string) {
	if hint != "" {
		fmt.Fprintf(v.err, "rebuild: hint: %s\n", hint)
	}
}

// bold is used for names on a terminal.
func (v *voice) bold(s string) string {
	if !v.color {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}

// failure is an error that was told already; it carries the exit code.
type failure struct{ code int }

func (f failure) Error() string { return fmt.Sprintf("exit status %d", f.code) }

// hinted is an error with what cures it.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// exit prints an error and gives the exit code that it stands for.
func (v *voice) exit(ctx context.Context, err error) int {
	var told failure
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &told):
		return told.code
	case ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))):
		v.tell("rebuild: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(v.err, "rebuild: error: %s\n", strings.TrimSpace(err.Error()))
	v.hint(hintOf(err))
	var gone *docker.Unreachable
	if errors.As(err, &gone) {
		return exitUnreachable
	}
	return exitUsage
}

func hintOf(err error) string {
	var (
		h       hinted
		fault   *impact.Fault
		gone    *docker.Unreachable
		shallow *tree.ShallowError
	)
	switch {
	case errors.As(err, &h):
		return h.hint
	case errors.As(err, &fault):
		return fault.Hint
	case errors.As(err, &gone):
		return gone.Hint
	case errors.As(err, &shallow):
		return shallow.Command
	}
	return ""
}
