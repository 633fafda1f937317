package docker

import (
	"context"
	"time"

	"github.com/moby/buildkit/client"
)

// CacheEntry is one result in an engine's build cache.
type CacheEntry struct {
	Description string // "mount / from exec /bin/sh -c make"
	Created     time.Time
	Shared      bool // an image holds it too
}

// CacheUsage lists what the build cache holds; of several builders, what all of theirs
// hold.
func (e *Engine) CacheUsage(ctx context.Context) ([]CacheEntry, error) {
	if err := e.CanBuild(ctx); err != nil { // it has no such cache, either
		return nil, err
	}
	var entries []CacheEntry
	for _, ep := range e.everywhere() {
		usage, err := e.cacheUsage(ctx, ep)
		if err != nil {
			return nil, err
		}
		for _, u := range usage {
			entries = append(entries, CacheEntry{Description: u.Description, Created: u.CreatedAt, Shared: u.Shared})
		}
	}
	return entries, nil
}

func (e *Engine) cacheUsage(ctx context.Context, ep endpoint) ([]*client.UsageInfo, error) {
	l, err := e.dialBuildKit(ctx, ep)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	usage, err := l.DiskUsage(ctx)
	if err != nil {
		return nil, e.failed(ctx, "build cache", err)
	}
	return usage, nil
}
