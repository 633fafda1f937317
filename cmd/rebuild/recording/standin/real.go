package standin

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
)

// real has the real program do it, in place of this one.
func (s *standIn) real() (int, error) {
	program, err := find(s.program, s.settings.Path)
	if err != nil {
		return failed, err
	}
	return execInPlace(program, append([]string{s.program}, s.args...), s.realEnv())
}

// runReal runs the real program, and gives its status.
func (s *standIn) runReal(args []string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	program, err := find(s.program, s.settings.Path)
	if err != nil {
		return failed, err
	}
	cmd := exec.Command(program, args...)
	cmd.Env = s.realEnv()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	interrupted := make(chan os.Signal, 1) // the terminal tells the real one too, and it says how it ends
	signal.Notify(interrupted, os.Interrupt)
	defer signal.Stop(interrupted)
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode(), nil
	}
	return failed, err
}

// realEnv is the environment without the recording, so that what the real program starts
// finds real ones.
func (s *standIn) realEnv() []string {
	env := os.Environ()
	out := env[:0:0]
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		switch {
		case name == Variable:
		case strings.EqualFold(name, "PATH"):
			out = append(out, name+"="+withoutFolder(value, filepath.Join(s.folder, BinFolder)))
		default:
			out = append(out, e)
		}
	}
	return out
}

// BinFolder holds the stand-ins, below the recording's folder.
const BinFolder = "bin"

func withoutFolder(list, folder string) string {
	var kept []string
	for _, dir := range filepath.SplitList(list) {
		if dir != folder {
			kept = append(kept, dir)
		}
	}
	return strings.Join(kept, string(filepath.ListSeparator))
}

// find seeks a program on a PATH.
func find(name, list string) (string, error) {
	for _, dir := range filepath.SplitList(list) {
		if dir == "" {
			dir = "."
		}
		file := filepath.Join(dir, name)
		if runtime.GOOS == "windows" {
			file += ".exe"
		}
		fi, err := os.Stat(file)
		if err == nil && fi.Mode().IsRegular() && (fi.Mode()&0o111 != 0 || runtime.GOOS == "windows") {
			return filepath.Abs(file)
		}
	}
	return "", fmt.Errorf("there is no other %s on the PATH to do this; only builds are taken down without one", name)
}

// Has tells whether a program is on a PATH.
func Has(name, list string) bool {
	_, err := find(name, list)
	return err == nil
}
