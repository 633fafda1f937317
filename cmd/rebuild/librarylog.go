package main

import (
	"io"
	"strings"

	"github.com/sirupsen/logrus"
)

// takeLibraryLog makes what the linked libraries log (compose-go, buildx, docker's
// own) speak with the program's voice: a warning once, and nothing else.
func takeLibraryLog(v *voice) {
	log := logrus.StandardLogger()
	log.SetOutput(io.Discard)
	hooks := logrus.LevelHooks{}
	hooks.Add(logHook{v})
	log.ReplaceHooks(hooks)
}

type logHook struct{ v *voice }

// Levels implements logrus.Hook.
func (logHook) Levels() []logrus.Level {
	return []logrus.Level{logrus.WarnLevel, logrus.ErrorLevel}
}

// Fire implements logrus.Hook.
func (h logHook) Fire(e *logrus.Entry) error {
	h.v.warn("%s", strings.TrimSuffix(e.Message, "."))
	return nil
}
