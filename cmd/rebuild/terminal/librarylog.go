package terminal

import (
	"io"
	"log"
	"os"
	"strings"

	"github.com/sirupsen/logrus"
)

// TakeLibraryLog has what the linked libraries log (compose-go, buildx, docker's own)
// come out as warnings of this program's, and nothing else of it. The output of logrus is
// one for the whole process, so it is set where that begins.
func TakeLibraryLog(warn func(text string)) {
	std := logrus.StandardLogger()
	std.SetOutput(io.Discard)
	hooks := logrus.LevelHooks{}
	hooks.Add(logHook{warn})
	std.ReplaceHooks(hooks)
}

// SilenceLibraries has nothing come out of what libraries print beside any log: net/http
// writes to the standard one when an engine talks out of turn, and text/scanner, which
// BuildKit's lexer is made of, to os.Stderr, without the name of a file. The program's own
// stderr is to be taken before. What the runtime prints of a panic goes past all that.
func SilenceLibraries() {
	log.SetOutput(io.Discard)
	if none, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stderr = none
	}
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
