package main

import (
	"context"
	"errors"
	"fmt"

	"rebuild/cmd/rebuild/terminal"
	"rebuild/docker"
	"rebuild/impact"
	"rebuild/impact/tree"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1 // an image failed
	exitUsage       = 2 // usage, configuration, git or Dockerfile error
	exitUnreachable = 3 // the engine cannot be reached
	exitInterrupted = 130
)

// exitError is an error that was printed already.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// hinted is an error with what cures it.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// interrupted is the end of a run that was told to stop, with what became of its images.
type interrupted struct {
	error
	text string
}

func (i interrupted) Unwrap() error { return i.error }

// exit prints an error and gives the exit code that it stands for. An error is printed
// once, here.
func exit(ctx context.Context, p *terminal.Printer, err error) int {
	p.Asides()
	var (
		printed exitError
		stopped interrupted
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &printed):
		return printed.code
	case errors.As(err, &stopped):
		p.Message("rebuild: %s", stopped.text)
		return exitInterrupted
	case ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))):
		p.Message("rebuild: interrupted")
		return exitInterrupted
	}
	p.Fail(err.Error(), hintOf(err))
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
		missing *tree.RevisionError
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
	case errors.As(err, &missing):
		return missing.Command
	}
	return ""
}
