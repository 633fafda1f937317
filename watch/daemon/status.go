package daemon

import (
	"time"

	"rebuild/docker/run"
	"rebuild/impact"
)

// Status is how things are. Fields of its JSON form may be added, never changed.
type Status struct {
	Version  int           `json:"version"`
	PID      int           `json:"pid"`
	Root     string        `json:"root"`
	Started  time.Time     `json:"started"`
	State    State         `json:"state"`
	Error    string        `json:"error,omitempty"`
	Watching WatchStatus   `json:"watching"`
	Images   []ImageStatus `json:"images"` // those that are kept up to date, parents first
}

// State is what a daemon is at.
type State string

// States of a daemon.
const (
	UpToDate         State = "up to date"
	Working          State = "working"
	Failing          State = "failed" // an image, the definition or a run
	Pausing          State = "paused"
	WaitingForEngine State = "waiting for the engine"
)

// WatchStatus is how files are watched.
type WatchStatus struct {
	Mode    string `json:"mode"`          // "events", "polling"
	Why     string `json:"why,omitempty"` // it polls
	Folders int    `json:"folders"`
}

// ImageStatus is how an image is.
type ImageStatus struct {
	Name    string     `json:"name"`
	Tags    []string   `json:"tags"`
	State   ImageState `json:"state"`
	Waits   *Waits     `json:"waits,omitempty"`     // why it is stale, and not built now
	Cause   *Cause     `json:"why,omitempty"`       // it is to be built, or is
	Layer   *Layer     `json:"layer,omitempty"`     // that is being built
	Elapsed float64    `json:"elapsed_s,omitempty"` // of its build
	Left    *float64   `json:"left_s,omitempty"`    // of its build, estimated
	Built   *time.Time `json:"built,omitempty"`     // last, with success
	Failure *Failure   `json:"failure,omitempty"`

	// Unallowed is the command after its builds that is not run, since nobody allowed it.
	Unallowed string `json:"unallowed,omitempty"`
}

// ImageState is the state of an image.
type ImageState string

// States of an image.
const (
	ImageUpToDate ImageState = "up to date"
	ImageStale    ImageState = "stale"
	ImageQueued   ImageState = "queued"
	ImageBuilding ImageState = "building"
	ImageFailed   ImageState = "failed"
)

// Layer is a place in a Dockerfile; File is "" for a step of BuildKit's own.
type Layer = run.Layer

// Cause is why an image is rebuilt: the first reason, and how many more there are.
type Cause struct {
	Reason impact.Reason `json:"reason"`
	Layer  *Layer        `json:"layer,omitempty"` // the first that the reason invalidates
	More   int           `json:"more,omitempty"`
}

// CauseOf is why a plan rebuilds an image, nil when it does not.
func CauseOf(ip *impact.ImagePlan) *Cause {
	if len(ip.Reasons) == 0 {
		return nil
	}
	c := &Cause{Reason: ip.Reasons[0], More: len(ip.Reasons) - 1}
	if i := c.Reason.Layer; i > 0 && i <= len(ip.Layers) {
		c.Layer = run.LayerOf(ip.Layers[i-1])
	}
	return c
}

// status tells how things are.
func (l *loop) status() Status {
	s := Status{
		Version: 1, PID: l.PID, Root: l.Root, Started: l.Started, Images: []ImageStatus{},
		Watching: WatchStatus{Mode: "events", Folders: l.watched},
	}
	if l.mode.Polling {
		s.Watching.Mode, s.Watching.Why = "polling", l.mode.Why
	}
	failed := false
	if l.newest != nil {
		for _, name := range l.newest.Target.Order {
			if ip := l.newest.Plan.Image(name); ip.Selected {
				im := l.imageStatus(ip)
				failed = failed || im.State == ImageFailed
				s.Images = append(s.Images, im)
			}
		}
	}
	var err error
	switch {
	case l.away != nil:
		s.State, err = WaitingForEngine, l.away
	case l.stuck != nil:
		s.State, err = Failing, l.stuck
	case l.paused:
		s.State = Pausing
	case l.broken != nil:
		s.State, err = Failing, l.broken
	case !l.idle():
		s.State = Working
	case failed:
		s.State = Failing
	default:
		s.State = UpToDate
	}
	if err != nil {
		s.Error = err.Error()
	}
	return s
}

func (l *loop) imageStatus(ip *impact.ImagePlan) ImageStatus {
	im := ImageStatus{Name: ip.Name, Tags: ip.Tags, State: ImageUpToDate}
	if at, ok := l.newest.Built[ip.Name]; ok {
		im.Built = &at
	}
	if at, ok := l.builtAt[ip.Name]; ok {
		im.Built = &at
	}
	if line, ok := l.unallowed[ip.Name]; ok && !l.Allows(ip.Name, line) {
		im.Unallowed = line
	}
	f, failed := l.failed[ip.Name]
	b := l.builds[ip.Name]
	switch w, waits := l.newest.waits[ip.Name]; {
	case b != nil:
		im.State, im.Cause, im.Elapsed = ImageBuilding, b.cause, time.Since(b.since).Seconds()
		im.Layer = run.RunningLayer(ip, b.steps)
		if ip.Estimate != nil {
			left := max(0, *ip.Estimate-im.Elapsed)
			im.Left = &left
		}
	case failed:
		im.State, im.Failure = ImageFailed, &f
	case w.Kind == WaitsAtFault:
		f := run.FaultFailure(ip.Err)
		im.State, im.Failure = ImageFailed, &f
	case waits:
		im.State, im.Waits = ImageStale, &w
	case ip.Action != impact.Rebuild || l.builtNow(ip.Name):
	case l.failedBelow(ip) != "":
		im.State, im.Waits = ImageStale, &Waits{Kind: WaitsForImage, For: l.failedBelow(ip)}
	case l.paused:
		im.State, im.Cause = ImageStale, CauseOf(ip)
	default:
		im.State, im.Cause = ImageQueued, CauseOf(ip)
	}
	return im
}

// failedBelow is an image that failed since the newest plan was made and that another
// stands on, "" when there is none.
func (l *loop) failedBelow(ip *impact.ImagePlan) string {
	seen := map[string]bool{} // over diamonds of parents there are exponentially many ways
	var below func(ip *impact.ImagePlan) string
	below = func(ip *impact.ImagePlan) string {
		for _, parent := range ip.Parents {
			if _, ok := l.failed[parent]; ok {
				return parent
			}
			if seen[parent] {
				continue
			}
			seen[parent] = true
			if found := below(l.newest.Plan.Image(parent)); found != "" {
				return found
			}
		}
		return ""
	}
	return below(ip)
}

// builtNow tells of an image that the run built since the newest plan was made.
func (l *loop) builtNow(name string) bool {
	at, ok := l.builtAt[name]
	return ok && at.After(l.newest.Made)
}
