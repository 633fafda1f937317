package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"rebuild/docker"
	"rebuild/impact"
	"rebuild/watch"
)

// teller tells what a daemon does: a line of its log for each thing that happened. Its
// methods may be called concurrently. Fields of the log: image, cause, seconds,
// ran, where, what, path.
type teller struct {
	log    zerolog.Logger
	alert  func(title, text string) // of a failure; nil: none
	mu     sync.Mutex
	warned map[string]map[string]bool // guarded by mu: by who warns, the warnings that still hold
	faults map[string]string          // guarded by mu: image -> why it cannot be built
}

func newTeller(log zerolog.Logger) *teller {
	return &teller{log: log, warned: map[string]map[string]bool{}, faults: map[string]string{}}
}

// Who warns.
const (
	byPlan = "plan"
	byRun  = "run"
)

// warnings tells those that were not there the last time, by the same who.
func (s *teller) warnings(who string, list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := map[string]bool{}
	for _, line := range list {
		if now[line] = true; !s.warned[who][line] {
			s.warning(line)
		}
	}
	s.warned[who] = now
}

func (s *teller) warning(line string) { s.log.Warn().Msg(line) }

func (s *teller) watching(m watch.Mode) {
	if m.Polling {
		s.log.Warn().Str("cause", m.Why).Int("folders", m.Folders).Msgf("looks at %s again and again instead of waiting for events: %s", count(m.Folders, "folder", "folders"), m.Why)
		return
	}
	s.log.Info().Int("folders", m.Folders).Msgf("watches %s", count(m.Folders, "folder", "folders"))
}

func (s *teller) lost() {
	s.log.Warn().Msg("more happened than the system could tell: looks at everything again")
}

func (s *teller) engineGone(gone *docker.Unreachable) {
	s.log.Error().Msgf("waits for the engine: %v", gone)
}

func (s *teller) engineBack() { s.log.Info().Msg("the engine answers again") }

// broken tells that the definition cannot be read.
func (s *teller) broken(err error, usesOld bool) {
	text := err.Error()
	if usesOld {
		text += "; until it can be read, the definition before counts"
	}
	s.log.Error().Msg(text)
	if s.alert != nil {
		s.alert("definition", err.Error())
	}
}

func (s *teller) mended() { s.log.Info().Msg("the definition can be read again") }

// unbuildable tells of images that cannot be built, once for each cause, and of their
// recovery.
func (s *teller) unbuildable(p *impact.Plan, wait map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ip := range p.Images {
		now := ""
		if ip.Err != nil && wait[ip.Name] != "" {
			now = ip.Err.Error()
		}
		if now == s.faults[ip.Name] {
			continue
		}
		if now != "" {
			s.log.Error().Str("image", ip.Name).Str("cause", now).Msgf("%s cannot be built: %s", ip.Name, now)
		} else {
			s.log.Info().Str("image", ip.Name).Msgf("%s can be built again", ip.Name)
		}
		s.faults[ip.Name] = now
	}
}

func (s *teller) waiting(h docker.Holder) { s.log.Info().Msgf("waits for %s", h) }

func (s *teller) building(image, cause string, estimate float64) {
	about := ""
	if estimate > 0 {
		about = ", about " + seconds(estimate)
	}
	s.log.Info().Str("image", image).Str("cause", cause).Float64("estimate", estimate).Msgf("%s is rebuilt%s: %s", image, about, cause)
}

func (s *teller) built(o *docker.Outcome, cause string) {
	took := o.Duration.Seconds()
	s.log.Info().Str("image", o.Image).Str("cause", cause).Float64("seconds", took).Int("ran", o.Ran).
		Msgf("%s was built in %s, %s ran", o.Image, seconds(took), count(o.Ran, "layer", "layers"))
	if o.Changed {
		s.log.Info().Str("image", o.Image).Msgf("files of %s were edited while it was built: it is built again", o.Image)
	}
	for _, w := range o.Result.Warnings {
		s.log.Warn().Str("image", o.Image).Msgf("%s: %s", o.Image, w)
	}
}

func (s *teller) failed(image string, f failedImage, cause string) {
	for _, line := range f.Log {
		s.log.Error().Str("image", image).Msgf("  | %s", line)
	}
	at := strings.TrimSpace(f.Where + " " + f.What)
	s.log.Error().Str("image", image).Str("cause", cause).Str("where", f.Where).Str("what", f.What).Msgf("%s failed: %s", image, at)
	if s.alert != nil {
		s.alert(image+" failed", at)
	}
}

func (s *teller) superseded(image string) {
	s.log.Info().Str("image", image).Msgf("%s is stopped: a newer change makes this build useless", image)
}

func (s *teller) cutOff(image string) {
	s.log.Info().Str("image", image).Msgf("%s is kept: what it is built on came out the same", image)
}

func (s *teller) runFailed(err error) { s.log.Error().Msg(err.Error()) }

func (s *teller) ends(err error) { s.log.Error().Msgf("ends: %v", err) }

func (s *teller) paused(on bool) {
	if on {
		s.log.Info().Msg("paused: what runs ends, nothing more is begun")
		return
	}
	s.log.Info().Msg("goes on")
}

// after tells what a command came to that ran after a build.
func (s *teller) after(a afterImage, took time.Duration, err error, output []string) {
	if err == nil {
		s.log.Info().Str("image", a.name).Float64("seconds", took.Seconds()).Msgf("%s: %s", a.name, a.command)
		return
	}
	for _, line := range output {
		s.log.Warn().Str("image", a.name).Msgf("  | %s", line)
	}
	s.log.Warn().Str("image", a.name).Str("cause", err.Error()).Msgf("%s: %s: %v", a.name, a.command, err)
}

// causeOf is why an image is rebuilt, in a few words.
func causeOf(ip *impact.ImagePlan) string {
	if len(ip.Reasons) == 0 {
		return ""
	}
	r := ip.Reasons[0]
	text := ""
	switch r.Kind {
	case impact.ReasonFile, impact.ReasonDockerfile, impact.ReasonIgnore:
		text = r.Path
	case impact.ReasonParent, impact.ReasonBase:
		text = r.Image
	case impact.ReasonArg:
		text = "build argument " + r.Arg
	default:
		text = reasonText(ip, r)
	}
	if more := len(ip.Reasons) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
