package daemon

import (
	"time"

	"rebuild/docker"
	"rebuild/docker/run"
	"rebuild/impact"
	"rebuild/watch"
)

// Event is something that happened: one of the types below.
type Event interface{ event() }

type (
	// Watching says how files are watched, whenever that changes.
	Watching struct{ Mode watch.Mode }
	// EventsLost says that more happened than the system could tell.
	EventsLost struct{}

	// EngineAway says that the engine cannot be reached, once until it is back.
	EngineAway struct{ Err *docker.Unreachable }
	// EngineBack says that it can again.
	EngineBack struct{}

	// DefinitionBroken says why the definition cannot be read, once for each cause.
	DefinitionBroken struct {
		Err     error
		UsesOld bool // the definition before counts meanwhile
	}
	// DefinitionRead says that it can again.
	DefinitionRead struct{}

	// Unbuildable says why an image cannot be built, once for each cause.
	Unbuildable struct {
		Image string
		Fault *impact.Fault
	}
	// Buildable says that it can again.
	Buildable struct{ Image string }

	// WaitsForLock says which other run is waited for.
	WaitsForLock struct{ Holder Holder }
	// RunFailed says why no build could begin or go on, once for each cause.
	RunFailed struct{ Err error }

	// Building says that the build of an image begins.
	Building struct {
		Image    string
		Cause    *Cause  // nil: it is not known any more
		Estimate float64 // seconds; 0: nobody knows
	}
	// Built says that it succeeded.
	Built struct {
		Outcome run.Outcome
		Cause   *Cause
	}
	// Failed says that it failed.
	Failed struct {
		Image   string
		Failure Failure
		Cause   *Cause
	}
	// Recovered says that an image whose last build failed is up to date again.
	Recovered struct{ Image string }
	// Superseded says that it was stopped, since a newer change makes it useless.
	Superseded struct{ Image string }
	// Moved says that another builder begins it anew, since its builder failed it.
	Moved struct{ Outcome run.Outcome }
	// CutOff says that an image is kept, since what it is built on came out the same.
	CutOff struct{ Image string }

	// Paused says that nothing more is begun.
	Paused struct{}
	// Resumed says that it is again.
	Resumed struct{}

	// CommandRan says what a command after a build came to.
	CommandRan struct {
		Command Command
		Took    time.Duration
		Err     error    // nil: it succeeded
		Output  []string // its last lines
	}

	// CommandUnallowed says that a command after builds of an image is not run, since nobody
	// allowed this text, once for each text.
	CommandUnallowed struct{ Image, Line string }

	// Warning is one of a planning or a run, once until it has gone and come back.
	Warning struct{ Text string }
)

func (Watching) event()         {}
func (EventsLost) event()       {}
func (EngineAway) event()       {}
func (EngineBack) event()       {}
func (DefinitionBroken) event() {}
func (DefinitionRead) event()   {}
func (Unbuildable) event()      {}
func (Buildable) event()        {}
func (WaitsForLock) event()     {}
func (RunFailed) event()        {}
func (Building) event()         {}
func (Built) event()            {}
func (Failed) event()           {}
func (Recovered) event()        {}
func (Superseded) event()       {}
func (Moved) event()            {}
func (CutOff) event()           {}
func (Paused) event()           {}
func (Resumed) event()          {}
func (CommandRan) event()       {}
func (CommandUnallowed) event() {}
func (Warning) event()          {}
