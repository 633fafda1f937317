package main

import (
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/docker/run"
	"rebuild/impact"
	"rebuild/watch"
	"rebuild/watch/daemon"
)

// watchLog is the log of a daemon: a line or more for each thing that happened. Its
// methods may be called concurrently. Fields of the log: image, cause, seconds, estimate,
// ran, where, what, folders.
type watchLog struct {
	log   zerolog.Logger
	alert func(title, text string) // of a failure; nil: none
	mu    sync.Mutex               // keeps the lines of one event together
}

// event logs what happened.
func (l *watchLog) event(e daemon.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e := e.(type) {
	case daemon.Watching:
		l.watching(e.Mode)
	case daemon.EventsLost:
		l.log.Warn().Msg("more happened than the system could tell: looks at everything again")
	case daemon.EngineAway:
		l.log.Error().Msgf("waits for the engine: %v", e.Err)
	case daemon.EngineBack:
		l.log.Info().Msg("the engine answers again")
	case daemon.DefinitionBroken:
		l.definitionBroken(e)
	case daemon.DefinitionRead:
		l.log.Info().Msg("the definition can be read again")
	case daemon.Unbuildable:
		l.log.Error().Str("image", e.Image).Str("cause", e.Fault.Error()).Msgf("%s cannot be built: %v", e.Image, e.Fault)
	case daemon.Buildable:
		l.log.Info().Str("image", e.Image).Msgf("%s can be built again", e.Image)
	case daemon.WaitsForLock:
		l.log.Info().Msgf("waits for %s", session.Holder(e.Holder))
	case daemon.RunFailed:
		l.log.Error().Msg(e.Err.Error())
	case daemon.Building:
		l.building(e)
	case daemon.Built:
		l.built(e.Outcome, reasonsText(e.Cause))
	case daemon.Failed:
		l.failed(e)
	case daemon.Recovered:
		l.log.Info().Str("image", e.Image).Msgf("%s has recovered: its last build had failed", e.Image)
	case daemon.Superseded:
		l.log.Info().Str("image", e.Image).Msgf("%s is stopped: a newer change makes this build useless", e.Image)
	case daemon.Moved:
		l.log.Warn().Str("image", e.Outcome.Image).Str("builder", e.Outcome.Builder).Msg(movedText(e.Outcome))
	case daemon.CutOff:
		l.log.Info().Str("image", e.Image).Msg(cutOffText(e.Image))
	case daemon.Paused:
		l.log.Info().Msg("paused: what runs ends, nothing more is begun")
	case daemon.Resumed:
		l.log.Info().Msg("goes on")
	case daemon.CommandRan:
		l.commandRan(e)
	case daemon.CommandUnallowed:
		l.log.Warn().Str("image", e.Image).Msgf("%s: on_success is not run until it is allowed: rebuild allow %s", e.Image, impact.ShellWord(e.Image))
	case daemon.Warning:
		l.log.Warn().Msg(e.Text)
	}
}

// warn logs a warning that is no event of the daemon's.
func (l *watchLog) warn(text string) { l.event(daemon.Warning{Text: text}) }

// ends logs why the daemon ends by itself.
func (l *watchLog) ends(err error) { l.log.Error().Msgf("ends: %v", err) }

func (l *watchLog) watching(m watch.Mode) {
	folders := count(m.Folders, "folder", "folders")
	if m.Polling {
		l.log.Warn().Str("cause", m.Why).Int("folders", m.Folders).Msgf("looks at %s again and again instead of waiting for events: %s", folders, m.Why)
		return
	}
	l.log.Info().Int("folders", m.Folders).Msgf("watches %s", folders)
}

func (l *watchLog) definitionBroken(e daemon.DefinitionBroken) {
	text := e.Err.Error()
	if e.UsesOld {
		text += "; until it can be read, the definition before counts"
	}
	l.log.Error().Msg(text)
	l.alarm("definition", e.Err.Error())
}

func (l *watchLog) building(e daemon.Building) {
	cause := reasonsText(e.Cause)
	l.log.Info().Str("image", e.Image).Str("cause", cause).Float64("estimate", e.Estimate).Msg(buildingText(e.Image, e.Estimate, cause))
}

func (l *watchLog) built(o run.Outcome, cause string) {
	l.log.Info().Str("image", o.Image).Str("cause", cause).Float64("seconds", o.Duration.Seconds()).Int("ran", o.Ran).Msg(builtText(o))
	if len(o.Retries) > 0 {
		l.log.Warn().Str("image", o.Image).Msg(retriesText(o))
	}
	if o.Edited {
		l.log.Info().Str("image", o.Image).Msgf("files of %s were edited while it was built: it is built again", o.Image)
	}
	for _, w := range o.Result.Warnings {
		l.log.Warn().Str("image", o.Image).Msgf("%s: %s", o.Image, w)
	}
}

func (l *watchLog) failed(e daemon.Failed) {
	for _, line := range e.Failure.Log {
		l.log.Error().Str("image", e.Image).Msgf("  | %s", line)
	}
	text := failureText(&e.Failure)
	l.log.Error().Str("image", e.Image).Str("cause", reasonsText(e.Cause)).
		Str("where", placeOf(e.Failure.File, e.Failure.Line)).Str("what", e.Failure.What).Msgf("%s failed: %s", e.Image, text)
	l.alarm(e.Image+" failed", text)
}

func (l *watchLog) commandRan(e daemon.CommandRan) {
	c := e.Command
	if e.Err == nil {
		l.log.Info().Str("image", c.Image).Float64("seconds", e.Took.Seconds()).Msgf("%s: %s", c.Image, c.Line)
		return
	}
	for _, line := range e.Output {
		l.log.Warn().Str("image", c.Image).Msgf("  | %s", line)
	}
	l.log.Warn().Str("image", c.Image).Str("cause", e.Err.Error()).Msgf("%s: %s: %v", c.Image, c.Line, e.Err)
}

func (l *watchLog) alarm(title, text string) {
	if l.alert != nil {
		l.alert(title, text)
	}
}

// logTime is how times are written: with the milliseconds that builds take to begin.
const logTime = "2006-01-02T15:04:05.000Z07:00"

func newWatchLog(out io.Writer) *watchLog {
	zerolog.TimeFieldFormat = logTime
	return &watchLog{log: zerolog.New(out).With().Timestamp().Logger()}
}

// consoleLog writes log lines for people: the time of day and what happened. The log
// itself has names as they are.
func consoleLog(out io.Writer, color bool) zerolog.ConsoleWriter {
	return zerolog.ConsoleWriter{
		Out: out, NoColor: !color, TimeFormat: time.TimeOnly,
		FormatPrepare: func(line map[string]any) error {
			if text, ok := line[zerolog.MessageFieldName].(string); ok {
				line[zerolog.MessageFieldName] = terminal.LogLine(text)
			}
			return nil
		},
		PartsOrder:    []string{zerolog.TimestampFieldName, zerolog.MessageFieldName},
		FieldsExclude: []string{"image", "cause", "seconds", "estimate", "ran", "where", "what", "folders"},
	}
}
