// Package standin is the docker that a build script gets while it is recorded: it takes
// down what the script asks docker to build, and answers as if that were done.
//
// It promises that each call is one file, written in one step whatever runs at the same
// time; that nothing of the environment is kept but what changes a build, and no secret;
// and that what is no matter of a recording goes to the real program. It links the
// standard library alone: a script waits for it at every call.
package standin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Variable names the folder of the recording that a call belongs to.
const Variable = "REBUILD_RECORDING"

// Programs are the names under which the stand-in is called.
var Programs = []string{"docker", "docker-compose", "docker-buildx", "buildx", "podman", "nerdctl"}

// Settings say how calls are answered. They lie in the recording's folder.
type Settings struct {
	Root    string            // absolute path of the repository's root
	Path    string            // the PATH without the stand-in
	Program string            // what evaluates definitions: the whole of rebuild
	Through bool              // builds are done by the real program, too
	Fail    []string          // images whose build fails: references, names, or patterns of these
	Began   int64             // when the recording began, in nanoseconds since 1970
	Env     map[string]string // digests of the variables that the script begins with
}

const settingsName = "settings.json"

// Prepare makes the folder ready for calls.
func Prepare(folder string, s Settings) error {
	for _, e := range os.Environ() {
		if s.Env == nil {
			s.Env = map[string]string{}
		}
		name, value, _ := strings.Cut(e, "=")
		s.Env[name] = digest(value)
	}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(folder, callsFolder), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, settingsName), data, 0o600)
}

// Called tells whether this process is to be a stand-in: it has the name of one, and
// belongs to a recording.
func Called(argv0 string) (folder, program string, ok bool) {
	folder = os.Getenv(Variable)
	program = strings.TrimSuffix(strings.ToLower(filepath.Base(argv0)), ".exe")
	return folder, program, folder != "" && slices.Contains(Programs, program)
}

// Evaluate gives the images that a call of bake or compose builds.
type Evaluate func(s Settings, call *Call) error

// standIn is one call being answered.
type standIn struct {
	folder   string
	program  string
	args     []string
	settings Settings
	evaluate Evaluate
	stdin    io.Reader
	stdout   io.Writer
	stderr   io.Writer
}

// Run answers a call, and gives its exit status. Without evaluate it becomes the program
// that can where a definition must be read.
func Run(folder, program string, args []string, evaluate Evaluate) int {
	s := &standIn{folder: folder, program: program, args: args, evaluate: evaluate, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	data, err := os.ReadFile(filepath.Join(folder, settingsName))
	if err == nil {
		err = json.Unmarshal(data, &s.settings)
	}
	if errors.Is(err, os.ErrNotExist) {
		err = errors.New("the recording is over")
	}
	if err != nil {
		return s.fail(err)
	}
	code, err := s.answer()
	if err != nil {
		return s.fail(err)
	}
	return code
}

// failed is the status of a call that could not be answered, as docker's own for what goes
// wrong before a container runs.
const failed = 125

func (s *standIn) fail(err error) int {
	fmt.Fprintf(s.stderr, "rebuild record: %s: %v\n", s.program, err)
	return failed
}

// say tells the user what was not done.
func (s *standIn) say(format string, args ...any) {
	fmt.Fprintf(s.stderr, "rebuild record: "+format+"\n", args...)
}
