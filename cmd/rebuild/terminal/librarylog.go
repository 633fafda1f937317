package terminal

import (
	"io"
	"strings"

	"github.com/sirupsen/logrus"
)

// TakeLibraryLog has what the linked libraries log (compose-go, buildx, docker's own)
// come out as warnings of this program's, and nothing else of it. The output of logrus is
// one for the whole process, so it is set where that begins.
func TakeLibraryLog(warn func(text string)) {
	log := logrus.StandardLogger()
	log.SetOutput(io.Discard)
	hooks := logrus.LevelHooks{}
	hooks.Add(logHook{warn})
	log.ReplaceHooks(hooks)
}

type logHook struct{ warn func(string) }

// Levels implements logrus.Hook.
func (logHook) Levels() []logrus.Level {
	return []logrus.Level{logrus.WarnLevel, logrus.ErrorLevel}
}

// Fire implements logrus.Hook.
func (h logHook) Fire(e *logrus.Entry) error {
	h.warn(strings.TrimSuffix(e.Message, "."))
	return nil
}
