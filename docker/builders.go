package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"rebuild/impact"
)

// builderEndpoints are the builders that a user names, with all their nodes, or the one
// engine.
func builderEndpoints(asked []string, from string) ([]endpoint, error) {
	var all []endpoint
	for _, name := range asked {
		eps, err := builderEndpoint(name, from)
		if err != nil {
			return nil, err
		}
		for _, ep := range eps {
			switch {
			case len(asked) > 1 && !ep.builder:
				return nil, &impact.Fault{Cause: fmt.Sprintf("%s %s: an engine builds by itself, not beside other builders", from, name), Hint: "name builders alone: docker buildx ls"}
			case slices.ContainsFunc(all, func(other endpoint) bool { return other.name() == ep.name() }):
				return nil, &impact.Fault{Cause: fmt.Sprintf("%s %s: it is named twice", from, name), Hint: "name each builder once"}
			}
			all = append(all, ep)
		}
	}
	return all, nil
}

// name is what people call a builder.
func (ep endpoint) name() string {
	if ep.node != "" {
		return ep.node
	}
	return ep.host
}

// Builders are the names of the builders, in the order given; nil where the engine builds.
func (e *Engine) Builders() []string {
	var names []string
	for _, ep := range e.builders {
		names = append(names, ep.name())
	}
	return names
}

// builderAt is where BuildKit is reached of a builder, or of the engine; "" is the first.
func (e *Engine) builderAt(name string) endpoint {
	if !e.IsBuilder() {
		return e.endpoint
	}
	for _, ep := range e.builders {
		if ep.name() == name {
			return ep
		}
	}
	return e.builders[0]
}

// builderID names the builders, in whatever order they are given.
func (e *Engine) builderID() string {
	var ids []string
	for _, ep := range e.builders {
		id := ep.name()
		if ep.named {
			id = "builder " + id
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return strings.Join(ids, " and ")
}

// BuilderState is what one of several builders says of itself.
type BuilderState struct {
	Name     string
	Native   []ocispecs.Platform // what its workers run by themselves
	Emulated []ocispecs.Platform // what the system emulates
	Err      error               // an *Unreachable; nil: it answers
}

// BuilderStates asks each of the builders, all at once.
func (e *Engine) BuilderStates(ctx context.Context) []BuilderState {
	states := make([]BuilderState, len(e.builders))
	var all sync.WaitGroup
	for i, ep := range e.builders {
		all.Go(func() { states[i] = e.builderState(ctx, ep) })
	}
	all.Wait()
	return states
}

func (e *Engine) builderState(ctx context.Context, ep endpoint) BuilderState {
	s := BuilderState{Name: ep.name()}
	workers, err := e.workers(ctx, ep)
	if err != nil {
		s.Err = ep.unreachable(err)
		return s
	}
	for _, w := range workers {
		for i, p := range w.Platforms {
			if i == 0 || platforms.Only(w.Platforms[0]).Match(p) { // the first is its own (worker/base)
				s.Native = append(s.Native, p)
			} else {
				s.Emulated = append(s.Emulated, p)
			}
		}
	}
	return s
}

func (e *Engine) workers(ctx context.Context, ep endpoint) ([]*client.WorkerInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, e.silence.timeout)
	defer cancel()
	l, err := e.dialBuildKit(ctx, ep)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	workers, err := l.ListWorkers(ctx)
	if lost := l.whyLost(); err != nil && lost != nil {
		return nil, lost
	}
	if err != nil && ctx.Err() != nil {
		return nil, e.silence.err()
	}
	return workers, err
}

// exited is in the cause of a step that failed by itself, which names its command, too
// (BuildKit's solver/llbsolver/ops).
const exited = "did not complete successfully: exit code"

// full tells whether a text says that a disk is full: ENOSPC, as C and Go spell it.
func full(text string) bool {
	return strings.Contains(strings.ToLower(text), "no space left on device")
}

// Elsewhere says why another builder may build what one could not, "" when it would come
// to the same. gone tells that this one is of no more use.
func Elsewhere(err error) (cause string, gone bool) {
	var lost *Unreachable
	if errors.As(err, &lost) && lost.Builder {
		return lost.Cause.Error(), true
	}
	var foreign *Unrunnable
	if errors.As(err, &foreign) {
		return "it runs nothing of " + foreign.Platform, false
	}
	var failure *BuildFailure
	if !errors.As(err, &failure) {
		return "", false
	}
	if cause := failure.Cause.Error(); full(cause) && !strings.Contains(cause, exited) {
		return "its disk is full", true
	}
	if slices.ContainsFunc(failure.LastLog, full) {
		return "no space was left for a step", false
	}
	return "", false
}
