package session

import (
	"context"
	"encoding/json"
	"reflect"

	"rebuild/docker"
	"rebuild/docker/record"
	"rebuild/impact/safefile"
)

// list lists what the engine holds, by what it held the last time if it says that this is
// still so. What cannot be kept is listed anew.
func (e *engine) list(ctx context.Context) (docker.Images, error) {
	select {
	case <-e.placed:
	case <-ctx.Done():
		return docker.Images{}, context.Cause(ctx)
	}
	last := e.lastListing()
	images, kept, err := e.conn.ImagesSince(ctx, last)
	if err != nil || kept == nil || reflect.DeepEqual(kept, last) {
		return images, err
	}
	id, err := e.conn.ID(ctx)
	if err != nil {
		return images, nil
	}
	if data, err := json.Marshal(kept); err == nil {
		_ = record.ReplaceFile(record.Open(e.dir, id).ListFile(), data)
	}
	return images, nil
}

// lastListing is that of the engine that was used last, nil when none was kept.
func (e *engine) lastListing() *docker.Listing {
	data, err := safefile.Read(record.Open(e.dir, record.LastEngine(e.dir)).ListFile(), safefile.Record)
	if err != nil {
		return nil
	}
	var last docker.Listing
	if json.Unmarshal(data, &last) != nil {
		return nil
	}
	return &last
}
