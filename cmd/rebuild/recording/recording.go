// Package recording learns the images of a repository from its own build script: it runs
// the script with a docker that only takes down what it is asked (see standin), and makes
// a rebuild.yaml of that.
//
// It promises that a rebuild.yaml which it calls complete gives, read by the catalog, the
// very images that the script asked for; what it cannot say is said by name. It writes
// nothing in the repository but what its caller names.
package recording

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"rebuild/cmd/rebuild/recording/standin"
	"rebuild/impact/safefile"
)

// Script is what is run, and how.
type Script struct {
	Root    string   // absolute path of the repository's root
	Dir     string   // absolute path of the folder that it runs in
	Command []string // with its arguments
	Through bool     // builds are done for real as well
	Fail    []string // images whose build fails
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
}

// Run is what became of a script.
type Run struct {
	Calls       []*standin.Call
	Exit        int // of the command
	Interrupted bool
	Began       time.Time
}

// grace is how long a script may take to end after it was told to.
const grace = 10 * time.Second

// Do runs the script, and gives what it asked docker for. A script that fails is no error;
// one that is interrupted neither.
func (s Script) Do(ctx context.Context) (*Run, error) {
	folder, err := safefile.TempDir()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	if folder, err = filepath.EvalSymlinks(folder); err != nil {
		return nil, err
	}
	path := os.Getenv("PATH")
	if err := standIns(filepath.Join(folder, standin.BinFolder), path); err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	run := &Run{Began: time.Now()}
	err = standin.Prepare(folder, standin.Settings{
		Root: s.Root, Path: path, Program: program, Through: s.Through, Fail: s.Fail, Began: run.Began.UnixNano(),
	})
	if err != nil {
		return nil, err
	}
	err = s.run(ctx, folder, path)
	var exit *exec.ExitError
	switch run.Interrupted = ctx.Err() != nil; {
	case errors.As(err, &exit):
		if run.Exit = exit.ExitCode(); run.Exit < 0 { // ended by a signal, as a shell says it
			run.Exit = 128 + signalOf(exit)
		}
	case err != nil && !run.Interrupted:
		return nil, err
	}
	run.Calls, err = standin.Calls(folder)
	return run, err
}

func (s Script) run(ctx context.Context, folder, path string) error {
	file := s.Command[0]
	if !strings.ContainsAny(file, `/\`) {
		found, err := exec.LookPath(filepath.Join(folder, standin.BinFolder, file)) // "record -- docker build ."
		if err != nil {
			found, err = exec.LookPath(file)
		}
		if err != nil {
			return err
		}
		file = found
	} else if !filepath.IsAbs(file) {
		file = filepath.Join(s.Dir, file)
	}
	cmd := exec.CommandContext(ctx, file, s.Command[1:]...)
	cmd.Args[0] = s.Command[0]
	cmd.Dir = s.Dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.Stdin, s.Stdout, s.Stderr
	// A terminal has told the script already: it gets the time to end by itself.
	cmd.Cancel = func() error { return tellToEnd(cmd.Process) }
	cmd.WaitDelay = grace
	cmd.Env = append(os.Environ(),
		standin.Variable+"="+folder,
		"PATH="+filepath.Join(folder, standin.BinFolder)+string(filepath.ListSeparator)+path,
		"PWD="+s.Dir)
	err := cmd.Run()
	var notThere *os.PathError
	if errors.As(err, &notThere) {
		return fmt.Errorf("%s: %w", s.Command[0], notThere.Err)
	}
	return err
}

func tellToEnd(p *os.Process) error {
	if runtime.GOOS == "windows" { // which has no such signal: the console's own has reached it
		return nil
	}
	return p.Signal(syscall.SIGTERM)
}

// standIns fills a folder with stand-ins: docker, and those others that are on the PATH.
// A script that chooses by what is there chooses as ever.
func standIns(folder, path string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if quick := strings.TrimSuffix(program, ".exe") + "-pre-push" + extension(program); isFile(quick) {
		program = quick // which begins at once
	}
	for _, name := range standin.Programs {
		if name != "docker" && !standin.Has(name, path) {
			continue
		}
		if err := link(program, filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	return nil
}

func isFile(name string) bool {
	fi, err := os.Stat(name)
	return err == nil && fi.Mode().IsRegular()
}

// link puts a program under another name. Windows lets few users make symlinks.
func link(program, name string) error {
	if runtime.GOOS != "windows" {
		return os.Symlink(program, name)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	return os.WriteFile(name+".exe", data, 0o700)
}

// Asked tells whether any build was asked for.
func (r *Run) Asked() bool {
	return slices.ContainsFunc(r.Calls, func(c *standin.Call) bool { return c.Build != nil || c.Definition != nil })
}

// extension is what programs end in.
func extension(program string) string {
	if strings.HasSuffix(program, ".exe") {
		return ".exe"
	}
	return ""
}
