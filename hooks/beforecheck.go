package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
)

// TraceVar is the environment variable in which the check finds where to write its
// trace.
const TraceVar = "REBUILD_PRE_PUSH_TRACE"

// Allows tells whether a push can go without a check, by the trace that the last one
// left in a file. A push that only deletes always can.
func Allows(ctx context.Context, trace string, push Push) bool {
	if !slices.ContainsFunc(push.Updates, func(u Update) bool { return !u.Deletes() }) {
		return true
	}
	if trace == "" {
		return false
	}
	t, err := ReadTrace(trace)
	return err == nil && t.Untouched(ctx, push)
}

// Run stands before a check: most pushes touch nothing, and what bake and compose
// initialise takes longer than to find that out. It lets a push go that touches nothing
// of what the last check read, and otherwise runs the check in its place. check is its
// program and arguments; stdin is what git gives a pre-push hook. It returns only when
// the push may go or the check cannot be run.
func Run(ctx context.Context, check []string, stdin *os.File) error {
	if len(check) == 0 {
		return errors.New("usage: rebuild-pre-push PROGRAM [ARG...]")
	}
	program, err := exec.LookPath(check[0])
	if err != nil {
		return err
	}
	check = append([]string{program}, check[1:]...)
	_, fromPreCommit := FromPreCommit(os.Getenv) // which tells of the push there
	if fi, err := stdin.Stat(); fromPreCommit || err == nil && fi.Mode()&os.ModeCharDevice != 0 {
		return execInPlace(check, nil, os.Environ()) // it says what is amiss with a terminal
	}
	refs, err := io.ReadAll(stdin)
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	trace, err := traceFile(check)
	if err != nil {
		return err
	}
	push, err := ReadPush(nil, bytes.NewReader(refs))
	if err == nil && Allows(ctx, trace, push) {
		return nil
	}
	env := os.Environ()
	if trace != "" {
		env = append(env, TraceVar+"="+trace)
	}
	return execInPlace(check, refs, env)
}
