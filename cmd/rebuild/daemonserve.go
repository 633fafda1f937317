package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"

	"rebuild/watch"
)

// serve runs the daemon's parts until ctx ends or one of them cannot go on: the
// watcher, the loop, the commands after builds, the socket and the live view (nil:
// none). It closes l.
func (d *daemon) serve(ctx context.Context, l net.Listener, o watch.Options, shown *liveView) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s := &server{d: d, ctx: ctx, stop: stop}
	o.Notice = func(m watch.Mode) {
		select {
		case d.calls <- func() { d.watchedBy(m) }:
		case <-ctx.Done():
		}
	}
	batches := make(chan watch.Batch)
	d.batches = batches

	var parts sync.WaitGroup
	parts.Go(func() {
		if err := watch.Run(ctx, d.folders, batches, o); err != nil {
			stop(err)
		}
	})
	parts.Go(func() { d.commands.run(ctx) })
	web := &http.Server{Handler: s.handler()}
	parts.Go(func() {
		if err := web.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			stop(err)
		}
	})
	if shown != nil {
		parts.Go(func() { shown.run(ctx, s.now) })
	}
	err := d.loop(ctx)
	stop(err)
	_ = web.Shutdown(context.WithoutCancel(ctx)) // each handler ends when ctx does
	parts.Wait()
	return err
}

// watchedBy notes the way of watching.
func (d *daemon) watchedBy(m watch.Mode) {
	if d.mode != m {
		d.mode = m
		d.story.watching(m)
	}
}
