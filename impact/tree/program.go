package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// program runs git on one repository.
type program struct {
	dir  string   // where it starts
	repo []string // arguments that name the repository; none: the one that dir lies in
	env  []string // added to the scrubbed environment
}

// localEnv are the variables that point git at a repository (`git rev-parse
// --local-env-vars`, of git 2.9 to 2.52). Git sets some of them for its hooks, and a
// child that inherited them would look at the wrong repository.
var localEnv = []string{
	"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT",
	"GIT_OBJECT_DIRECTORY", "GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_GRAFT_FILE",
	"GIT_INDEX_FILE", "GIT_NO_REPLACE_OBJECTS", "GIT_REPLACE_REF_BASE", "GIT_PREFIX",
	"GIT_INTERNAL_SUPER_PREFIX", "GIT_SHALLOW_FILE", "GIT_COMMON_DIR", "GIT_REFERENCE_BACKEND",
}

// LocalEnv names the variables that point git at a repository. Git sets some of them
// for its hooks, where they would lead other children to the wrong one.
func LocalEnv() []string { return localEnv }

// WithoutGit is an environment without what points git at a repository, for children
// that are to look at their own.
func WithoutGit(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(localEnv, name)
	})
}

// environ is the process's environment without localEnv. Messages are in
// English, because they are shown within English ones; no lock is taken that
// could stand in the way of the user's own git; nothing asks for a password; a path
// is a path, whatever characters are in it.
func environ() []string {
	return append(WithoutGit(os.Environ()), "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_LITERAL_PATHSPECS=1")
}

// programError is a git command that failed.
type programError struct {
	args   []string
	status int // exit status, -1 when it did not run
	stderr string
	err    error
}

func (e *programError) Error() string {
	what := "git " + e.args[0]
	line, _, _ := strings.Cut(strings.TrimSpace(e.stderr), "\n")
	line = strings.TrimPrefix(line, "fatal: ")
	switch {
	case e.status < 0:
		return fmt.Sprintf("%s: %v", what, e.err)
	case line == "":
		return fmt.Sprintf("%s: exit status %d", what, e.status)
	}
	return what + ": " + line
}

func (e *programError) Unwrap() error { return e.err }

// lingers is how long a command that has ended, or was killed, is waited for when one of
// its children went on by itself and holds its output open (git's own daemons do). A
// plan ends within a second, so it must be well below that.
const lingers = 300 * time.Millisecond

// withoutCommands keep git from running what the repository's own configuration names,
// where its answer needs none of it: a file system monitor, whose word is not taken (the
// disk is looked at), and a remote that is a command (git-remote-ext), to which a partial
// clone would turn for what it lacks. A clone brings no configuration, an archive may.
var withoutCommands = []string{"-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never"}

// command prepares a command that is killed with its children when ctx ends.
func (p program) command(ctx context.Context, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", slices.Concat(p.repo, withoutCommands, args)...)
	cmd.Dir = p.dir
	cmd.Env = append(environ(), p.env...)
	cmd.Cancel = func() error { return killSession(cmd.Process) }
	cmd.WaitDelay = lingers
	inSession(cmd)
	return cmd
}

// run gives the command's standard output.
func (p program) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := p.command(ctx, args)
	stdout, err := newAnswer()
	if err != nil {
		return nil, fmt.Errorf("git %s: %w", args[0], err)
	}
	stderr, err := newAnswer()
	if err != nil {
		_, _ = stdout.from.Close(), stdout.to.Close()
		return nil, fmt.Errorf("git %s: %w", args[0], err)
	}
	cmd.Stdout, cmd.Stderr = stdout.to, stderr.to
	err = cmd.Start()
	stdout.begin()
	stderr.begin()
	if err == nil {
		err = cmd.Wait()
	}
	out, said := stdout.end(), stderr.end()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err == nil:
		return out, nil
	}
	e := &programError{args: args, status: -1, stderr: string(said), err: err}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		e.status = exit.ExitCode()
	}
	return nil, e
}

// line is run for a command that answers with one line.
func (p program) line(ctx context.Context, args ...string) (string, error) {
	out, err := p.run(ctx, args...)
	return strings.TrimSuffix(string(out), "\n"), err
}

// exited tells whether err is git's own exit with that status.
func exited(err error, status int) bool {
	e := (*programError)(nil)
	return errors.As(err, &e) && e.status == status
}

// stream gives the command's standard output as it comes. Reading it to its end
// gives the command's error, if it has one; when ctx ends, that of ctx.
func (p program) stream(ctx context.Context, args ...string) (io.ReadCloser, error) {
	cmd := p.command(ctx, args)
	out := &output{cmd: cmd, args: args, interrupted: ctx.Err}
	cmd.Stderr = &out.stderr
	r, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("git %s: %w", args[0], err)
	}
	out.ReadCloser = r
	cmd.Cancel = func() error {
		err := killSession(cmd.Process)
		r.Close() // a child that went on by itself may hold the other end
		return err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("git %s: %w", args[0], err)
	}
	return out, nil
}

type output struct {
	io.ReadCloser
	cmd         *exec.Cmd
	args        []string
	interrupted func() error // why the command was killed, nil when it was not
	stderr      bytes.Buffer
	ended       bool
}

func (o *output) Read(b []byte) (int, error) {
	n, err := o.ReadCloser.Read(b)
	if err == nil || o.ended {
		return n, err
	}
	if err != io.EOF {
		if cause := o.interrupted(); cause != nil {
			err = cause
		}
		return n, err
	}
	o.ended = true
	werr := o.cmd.Wait()
	switch cause := o.interrupted(); {
	case cause != nil:
		return n, cause
	case werr == nil, errors.Is(werr, exec.ErrWaitDelay):
		return n, io.EOF
	}
	return n, &programError{args: o.args, status: o.cmd.ProcessState.ExitCode(), stderr: o.stderr.String(), err: werr}
}

// Close ends a command that was not read to its end.
func (o *output) Close() error {
	if o.ended {
		return nil
	}
	o.ended = true
	// It is told by the signal, and by nobody reading any more, and what it says to that
	// is of no use.
	_ = killSession(o.cmd.Process)
	_ = o.cmd.Wait()
	return nil
}
