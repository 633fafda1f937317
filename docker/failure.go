package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/solver/errdefs"

	"rebuild/impact"
)

// BuildFailure says why an image could not be built, and where.
type BuildFailure struct {
	Image      string
	Dockerfile string
	Line       int    // 0: of no line
	Executed   bool   // the step is one of the Dockerfile's: it does more than load an image, export or push
	Step       string // "[2/5] RUN make"; "" when it failed before any
	LastLog    []string
	LogFile    string // the whole log; "" when none is kept
	Cause      error
}

// Error implements error.
func (f *BuildFailure) Error() string {
	where := f.Dockerfile
	if f.Line > 0 {
		where = fmt.Sprintf("%s:%d", f.Dockerfile, f.Line)
	}
	if where == "" {
		return fmt.Sprintf("build %s: %v", f.Image, f.Cause)
	}
	return fmt.Sprintf("build %s: %s: %v", f.Image, where, f.Cause)
}

// Unwrap gives the cause.
func (f *BuildFailure) Unwrap() error { return f.Cause }

// Canceled says that a build was given up because its context was.
type Canceled struct {
	Image string
	Cause error
	Ended bool // for certain; else the engine may still work on it: Engine.Ended waits
}

// Error implements error.
func (c *Canceled) Error() string { return fmt.Sprintf("build %s: canceled", c.Image) }

// Unwrap gives the cause.
func (c *Canceled) Unwrap() error { return c.Cause }

// pingTimeout bounds the question whether the engine is still there, after a
// build failed for no visible reason.
const pingTimeout = 2 * time.Second

// noUTF8 is what the engine 28.5 says of such a name, and 20.10 takes: dockerd lacks the codec with which buildkitd reads names
// (buildkit/util/grpcutil/encoding/proto).
const noUTF8 = "string field contains invalid UTF-8"

// explain types the error of a build.
func (b *build) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return b.canceled(ctx)
	}
	if b.frontendErr != nil && b.link.whyLost() == nil {
		err = b.frontendErr
	}
	var ignored *Unsupported
	if errors.As(err, &ignored) {
		return &BuildFailure{
			Image: b.req.Image.Name, Dockerfile: b.req.DockerfileName, LogFile: b.req.LogFile,
			Line: ignored.Line, Step: ignored.Step, Cause: ignored,
		}
	}
	var foreign *Unrunnable
	if errors.As(err, &foreign) {
		return &BuildFailure{
			Image: b.req.Image.Name, Dockerfile: b.req.DockerfileName, LogFile: b.req.LogFile,
			Line: foreign.Line, Step: foreign.Step, Cause: foreign,
		}
	}
	var unkept *Unkept
	if errors.As(err, &unkept) {
		return &BuildFailure{Image: b.req.Image.Name, Dockerfile: b.req.DockerfileName, LogFile: b.req.LogFile, Cause: unkept}
	}
	if strings.Contains(err.Error(), noUTF8) || b.sentNoUTF8(err) {
		return &BuildFailure{Image: b.req.Image.Name, Dockerfile: b.req.DockerfileName, LogFile: b.req.LogFile, Cause: &impact.Fault{
			Cause: "a file of its context has a name that is no UTF-8, which this engine does not take",
			Hint:  "find . | grep -axv '.*' shows such names: rename them, or leave them out by the .dockerignore",
		}}
	}
	steps := b.steps.Steps()
	step, broke := failedStep(steps)
	var vertex *errdefs.VertexError // newer engines say which
	if errors.As(err, &vertex) {
		for _, s := range steps {
			if s.Digest == vertex.Digest {
				step, broke = s, true
			}
		}
	}
	if !broke {
		// An engine that shuts down cancels its builds before it closes the
		// connection.
		if lost := b.link.whyLost(); lost != nil {
			return b.at.unreachable(lost)
		}
		if lost := b.ping(ctx); lost != nil {
			return b.at.unreachable(lost)
		}
	}
	failure := &BuildFailure{
		Image: b.req.Image.Name, Dockerfile: b.req.DockerfileName, LogFile: b.req.LogFile,
		Line: step.Line, Step: step.Name, Executed: step.Executes, LastLog: step.Tail, Cause: &buildError{err},
	}
	if failure.Line == 0 {
		failure.Line = sourceLine(err)
	}
	return failure
}

// sentNoUTF8 tells whether an engine has broken a build off without a word after it was sent
// such a name: now and then 28.5 ends the build before it has told why.
func (b *build) sentNoUTF8(err error) bool {
	step, broke := failedStep(b.steps.Steps())
	return b.sources != nil && b.sources.notUTF8.Load() && broke && strings.HasPrefix(step.Name, "[internal] load build context") &&
		strings.HasSuffix(err.Error(), context.Canceled.Error())
}

func (b *build) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if b.engine.IsBuilder() {
		_, err := b.link.ListWorkers(ctx)
		return err
	}
	return b.engine.ping(ctx)
}

// sourceLine is the line that the engine or the parser names, 0 when none does.
func sourceLine(err error) int {
	for _, src := range errdefs.Sources(err) {
		for _, r := range src.Ranges {
			if r.Start != nil && r.Start.Line > 0 {
				return int(r.Start.Line)
			}
		}
	}
	var located *parser.LocationError
	if errors.As(err, &located) {
		for _, ranges := range located.Locations {
			for _, r := range ranges {
				if r.Start.Line > 0 {
					return r.Start.Line
				}
			}
		}
	}
	return 0
}

// buildError says BuildKit's cause without the call chain that it is wrapped in.
type buildError struct{ error }

func (e *buildError) Error() string {
	text := e.error.Error()
	for _, chain := range []string{"failed to solve: ", "failed to run Build function: ", "rpc error: code = Unknown desc = "} {
		text = strings.ReplaceAll(text, chain, "")
	}
	return text
}

func (e *buildError) Unwrap() error { return e.error }
