package docker

import (
	"context"
	"time"
)

// CacheEntry is one result in an engine's build cache.
type CacheEntry struct {
	Description string // "mount / from exec /bin/sh -c make"
	Created     time.Time
	Shared      bool // an image holds it too
}

// CacheUsage lists what the build cache holds.
func (e *Engine) CacheUsage(ctx context.Context) ([]CacheEntry, error) {
	if err := e.CanBuild(ctx); err != nil { // it has no such cache, either
		return nil, err
	}
	l, err := e.dialBuildKit(ctx)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	usage, err := l.DiskUsage(ctx)
	if err != nil {
		return nil, e.failed(ctx, "build cache", err)
	}
	entries := make([]CacheEntry, len(usage))
	for i, u := range usage {
		entries[i] = CacheEntry{Description: u.Description, Created: u.CreatedAt, Shared: u.Shared}
	}
	return entries, nil
}
