package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"rebuild/docker"
	"rebuild/impact"
)

// daemonStatus is what a daemon says of itself. Its JSON form is stable: fields may
// be added, never changed.
type daemonStatus struct {
	Version  int           `json:"version"`
	PID      int           `json:"pid"`
	Root     string        `json:"root"`
	Started  time.Time     `json:"started"`
	State    string        `json:"state"` // "up to date", "working", "failed", "paused", "waiting for the engine"
	Error    string        `json:"error,omitempty"`
	Watching watchStatus   `json:"watching"`
	Images   []imageStatus `json:"images"` // those that are kept up to date, parents first
}

type watchStatus struct {
	Mode    string `json:"mode"` // "events", "polling"
	Why     string `json:"why,omitempty"`
	Folders int    `json:"folders"`
}

// States of an image.
const (
	upToDate = "up to date"
	stale    = "stale"
	queued   = "queued"
	building = "building"
	failing  = "failed"
)

type imageStatus struct {
	Name    string       `json:"name"`
	Tags    []string     `json:"tags"`
	State   string       `json:"state"`
	Cause   string       `json:"cause,omitempty"`     // why it is stale or built
	Layer   *layerStatus `json:"layer,omitempty"`     // that is being built
	Elapsed float64      `json:"elapsed_s,omitempty"` // of its build
	Left    *float64     `json:"left_s,omitempty"`    // of its build, estimated
	Built   *time.Time   `json:"built,omitempty"`     // last, with success
	Failure *failedImage `json:"failure,omitempty"`
}

type layerStatus struct {
	Dockerfile  string `json:"dockerfile,omitempty"`
	Line        int    `json:"line,omitempty"`
	Instruction string `json:"instruction"`
}

// status tells how things are. It is called by the loop.
func (d *daemon) status() daemonStatus {
	s := daemonStatus{
		Version: 1, PID: d.pid, Root: d.root, Started: d.started, State: upToDate, Images: []imageStatus{},
		Watching: watchStatus{Mode: "events", Folders: d.watched},
	}
	if d.mode.Polling {
		s.Watching.Mode, s.Watching.Why = "polling", d.mode.Why
	}
	if d.newest != nil {
		for _, name := range d.newest.p.target.Order {
			if ip := d.newest.p.plan.Image(name); ip.Selected {
				s.Images = append(s.Images, d.imageStatus(ip))
			}
		}
	}
	failed := slices.ContainsFunc(s.Images, func(im imageStatus) bool { return im.State == failing })
	switch {
	case d.away != "":
		s.State, s.Error = "waiting for the engine", d.away
	case d.stuck != "":
		s.State, s.Error = failing, d.stuck
	case d.paused:
		s.State = "paused"
	case d.broken != "":
		s.State, s.Error = failing, d.broken
	case !d.idle():
		s.State = "working"
	case failed:
		s.State = failing
	}
	return s
}

func (d *daemon) imageStatus(ip *impact.ImagePlan) imageStatus {
	im := imageStatus{Name: ip.Name, Tags: ip.Tags, State: upToDate}
	if rec := d.newest.p.records[ip.Name]; rec != nil && !rec.Built.IsZero() {
		im.Built = &rec.Built
	}
	if at, ok := d.builtAt[ip.Name]; ok {
		im.Built = &at
	}
	f, failedBefore := d.failed[ip.Name]
	b := d.build[ip.Name]
	switch why := d.newest.wait[ip.Name]; {
	case b != nil:
		im.State, im.Cause, im.Elapsed = building, b.cause, time.Since(b.since).Seconds()
		im.Layer = runningLayer(ip, b.live)
		if ip.Estimate != nil {
			left := max(0, *ip.Estimate-im.Elapsed)
			im.Left = &left
		}
	case failedBefore:
		im.State, im.Failure = failing, &f
	case ip.Err != nil && why != "":
		where, what := faultPlace(ip.Err)
		im.State, im.Failure = failing, &failedImage{Where: where, What: what}
	case why != "":
		im.State, im.Cause = stale, why
	case ip.Action == impact.Rebuild && d.builtNow(ip.Name):
	case ip.Action == impact.Rebuild && d.failedBelow(ip) != "":
		im.State, im.Cause = stale, "waits for "+d.failedBelow(ip)
	case ip.Action == impact.Rebuild && d.paused:
		im.State, im.Cause = stale, causeOf(ip)
	case ip.Action == impact.Rebuild:
		im.State, im.Cause = queued, causeOf(ip)
	}
	return im
}

// failedBelow is an image that could not be built and that another stands on, "" when
// there is none.
func (d *daemon) failedBelow(ip *impact.ImagePlan) string {
	for _, parent := range ip.Parents {
		if _, ok := d.failed[parent]; ok {
			return parent
		}
		if below := d.failedBelow(d.newest.p.plan.Image(parent)); below != "" {
			return below
		}
	}
	return ""
}

// builtNow tells of an image that the run built since the newest plan was made.
func (d *daemon) builtNow(name string) bool {
	at, ok := d.builtAt[name]
	return ok && at.After(d.newest.p.made)
}

// runningLayer is the first layer of the plan that a build executes now.
func runningLayer(ip *impact.ImagePlan, live *docker.Live) *layerStatus {
	for _, name := range live.Running() {
		for _, l := range ip.Layers {
			if l.Name == name {
				return &layerStatus{Dockerfile: l.Dockerfile, Line: l.Line, Instruction: l.Instruction}
			}
		}
		return &layerStatus{Instruction: name}
	}
	return nil
}

// newFailedImage words a failed build.
func newFailedImage(p *planning, o docker.Outcome) failedImage {
	where, what := failurePlace(p, o)
	f := failedImage{Where: where, What: what}
	var bf *docker.BuildFailure
	if errors.As(o.Err, &bf) {
		f.Log, f.LogFile, f.Cause = bf.LastLog, bf.LogFile, oneLine(bf.Cause.Error())
	}
	return f
}

// result is what those hear who waited for the daemon to come to rest.
func (d *daemon) result() waitReply {
	var failed []string
	s := d.status()
	for _, im := range s.Images {
		switch {
		case im.State == failing:
			failed = append(failed, im.Name+": "+strings.TrimSpace(im.Failure.Where+" "+im.Failure.What))
		case im.State == stale:
			failed = append(failed, im.Name+" is stale: "+im.Cause)
		}
	}
	if d.broken != "" {
		failed = append(failed, d.broken)
	}
	return waitReply{Failed: failed}
}
