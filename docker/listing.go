package docker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/docker/docker/api/types/events"
)

// Listing is what an engine held when it was listed, to be used again as long as its events
// tell of no change. The containerd store of 28.5 takes 10 to 20 ms for each image that it
// lists, as it adds up sizes; its events come within one.
type Listing struct {
	Engine string // its ID and version
	Tells  bool   // it was seen to tell of what BuildKit makes: 20.10 does not
	After  *Event // the newest before it was listed; nil: none was known
	Images []Image
}

// Event is what an engine says that it did. It remembers some 256, until it ends
// (daemon/events).
type Event struct {
	At     int64 // nanoseconds
	Type   string
	Action string
	Of     string // its actor's id
}

// made is the action of an event for an image that BuildKit made (ImageExportedByBuildkit), and
// for no other.
const made = "create"

// slowList is from when a list is worth being kept.
const slowList = 50 * time.Millisecond

// ImagesSince is Images, by a listing of before if that is still true. kept is the listing for
// the next time, nil when asking anew is as good.
//
// It is true as long as the event before it is among those that the engine remembers, so that
// none after it is forgotten, and none of those is about an image. Who changes the store
// behind the engine (ctr, nerdctl) goes unnoticed.
func (e *Engine) ImagesSince(ctx context.Context, last *Listing) (images Images, kept *Listing, err error) {
	if last == nil || !e.HasStore() {
		return e.imagesTimed(ctx)
	}
	past, info, err := e.past(ctx)
	if err != nil || !info.isManifestStore() || info.listed() != last.Engine {
		return e.imagesTimed(ctx)
	}
	now := &Listing{Engine: last.Engine, Tells: last.Tells || slices.ContainsFunc(past, func(ev Event) bool { return aboutImages(ev) && ev.Action == made })}
	if len(past) > 0 {
		now.After = &past[len(past)-1]
	}
	if last.After != nil && now.Tells {
		if i := slices.Index(past, *last.After); i >= 0 && !slices.ContainsFunc(past[i+1:], aboutImages) {
			now.Images = last.Images
			return NewImages(now.Images), now, nil
		}
	}
	if now.Images, err = e.imageList(ctx); err != nil {
		return Images{}, nil, err
	}
	return NewImages(now.Images), now, nil
}

// listed names the engine and its version.
func (s *self) listed() string { return s.id() + " " + s.info.ServerVersion }

// imagesTimed lists, and says of a store that is slow that the next list is to be kept.
func (e *Engine) imagesTimed(ctx context.Context) (Images, *Listing, error) {
	begun := time.Now()
	images, err := e.Images(ctx)
	if err != nil || !e.HasStore() || time.Since(begun) < slowList {
		return images, nil, err
	}
	info, err := e.about(ctx)
	if err != nil || !info.isManifestStore() {
		return images, nil, nil
	}
	return images, &Listing{Engine: info.listed()}, nil
}

// aboutImages tells whether an event may change what is listed.
func aboutImages(ev Event) bool { return ev.Type == string(events.ImageEventType) }

// past are the events that the engine remembers, the oldest first, up to now by its own clock:
// it would wait for those of a later moment.
func (e *Engine) past(ctx context.Context) ([]Event, *self, error) {
	if err := e.meet(ctx); err != nil {
		return nil, nil, err
	}
	info, err := answered(ctx, &e.silence, e.api.Info)
	if err != nil {
		return nil, nil, err
	}
	now, err := time.Parse(time.RFC3339Nano, info.SystemTime)
	if err != nil {
		return nil, nil, err
	}
	list, err := answered(ctx, &e.silence, func(ctx context.Context) ([]Event, error) { return e.eventsUntil(ctx, now) })
	return list, &self{info: info}, err
}

func (e *Engine) eventsUntil(ctx context.Context, until time.Time) ([]Event, error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	messages, errs := e.api.Events(ctx, events.ListOptions{Since: "0", Until: until.Format(time.RFC3339Nano)})
	var list []Event
	for {
		select {
		case m := <-messages:
			list = append(list, Event{At: m.TimeNano, Type: string(m.Type), Action: string(m.Action), Of: m.Actor.ID})
		case err := <-errs:
			var syntax *json.SyntaxError
			switch {
			case errors.Is(err, io.EOF):
				return list, nil
			case errors.As(err, &syntax):
				return nil, errNoEngine
			}
			return nil, err
		}
	}
}
