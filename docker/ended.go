package docker

import (
	"context"
	"sync"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
)

// endsWithin bounds how long a build that was cut off is waited for.
const endsWithin = time.Minute

// Ended waits until the engine works on none of the builds any more, which are named as
// Request.ID: a build that was cut off may be past the point where it can be cancelled,
// and then makes its image all the same. An old engine takes some seconds to say that it
// does not know a build (BuildKit's solver.Solver.Get), unless that was cancelled through
// this Engine. After a minute the builds are taken to have ended.
//
// The error is the context's, or an *Unreachable.
func (e *Engine) Ended(ctx context.Context, builds ...string) error {
	var all sync.WaitGroup
	for _, id := range builds {
		all.Go(func() {
			end, cancelled := e.cutOff.LoadAndDelete(id)
			if !cancelled {
				end = e.follow(id, e.everywhere()...)
			}
			follow := end.(*following)
			defer follow.stop()
			select {
			case <-follow.end:
			case <-ctx.Done():
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	_, err := e.ID(ctx)
	return err
}

// following reads the status of a build.
type following struct {
	end  <-chan struct{} // closed when the build is over, or no status can be had
	stop context.CancelFunc
}

// follow begins to read a build's status where it is built, over a connection of its own.
// It ends with the build.
func (e *Engine) follow(id string, at ...endpoint) *following {
	ctx, stop := context.WithTimeout(context.Background(), endsWithin)
	end := make(chan struct{})
	go func() {
		defer close(end)
		defer stop()
		var all sync.WaitGroup
		for _, ep := range at {
			all.Go(func() { e.readStatus(ctx, id, ep) })
		}
		all.Wait()
	}()
	return &following{end: end, stop: stop}
}

func (e *Engine) readStatus(ctx context.Context, id string, ep endpoint) {
	l, err := e.dialBuildKit(ctx, ep)
	if err != nil {
		return
	}
	defer l.Close()
	stream, err := l.ControlClient().Status(ctx, &controlapi.StatusRequest{Ref: id})
	for err == nil {
		_, err = stream.Recv()
	}
}

// everywhere is all that builds.
func (e *Engine) everywhere() []endpoint {
	if e.IsBuilder() {
		return e.builders
	}
	return []endpoint{e.endpoint}
}
