package hooks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// TraceVar is the environment variable in which the check is told where to write its
// trace.
const TraceVar = "REBUILD_PRE_PUSH_TRACE"

// Guard stands before a check: most pushes touch nothing, and what bake and compose
// initialise takes longer than to find that out.
type Guard struct {
	Check []string // the program that checks, by its path, and its arguments
	Trace string   // the file of the trace; "" when there is no place for one
}

// NewGuard finds the trace that a check would leave, were it made now, in the folder
// that the process runs in. What a check is told beside commits has a part in its
// file's name: the program, its arguments, the environment.
func NewGuard(check []string) (*Guard, error) {
	g := &Guard{Check: check}
	program, err := os.Stat(check[0])
	if err != nil {
		return nil, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	common := commonDir()
	if common == "" {
		return g, nil
	}
	h := sha256.New()
	put := func(list ...string) {
		fmt.Fprintf(h, "%d\x00", len(list))
		for _, s := range list {
			h.Write([]byte(s + "\x00"))
		}
	}
	put(dir, fmt.Sprint(program.Size()), fmt.Sprint(program.ModTime().UnixNano()))
	put(check...)
	put(environ()...)
	g.Trace = filepath.Join(common, "rebuild", "pushes", hex.EncodeToString(h.Sum(nil)[:8]))
	return g, nil
}

// environ is the environment without what each shell sets anew.
func environ() []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return name == "_" || name == "SHLVL" || name == "OLDPWD" || name == TraceVar
	})
	slices.Sort(env)
	return env
}

// commonDir is the git folder that all working trees of the repository share, as a
// hook finds it (gitrepository-layout(5)); "" when it is not there.
func commonDir() string {
	dir := os.Getenv("GIT_DIR")
	if dir == "" {
		dir = ".git"
	}
	if text, err := os.ReadFile(dir); err == nil {
		link, ok := strings.CutPrefix(string(text), "gitdir: ")
		if !ok {
			return ""
		}
		dir = strings.TrimRight(link, "\r\n")
	}
	if text, err := os.ReadFile(filepath.Join(dir, "commondir")); err == nil {
		common := strings.TrimRight(string(text), "\r\n")
		if !filepath.IsAbs(common) {
			common = filepath.Join(dir, common)
		}
		dir = common
	}
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
		return ""
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	return dir
}

// Lets tells whether a push can go without a check.
func (g *Guard) Lets(ctx context.Context, push Push) bool {
	if !slices.ContainsFunc(push.Updates, func(u Update) bool { return !u.Deletes() }) {
		return true
	}
	if g.Trace == "" {
		return false
	}
	t, err := ReadTrace(g.Trace)
	return err == nil && t.Untouched(ctx, push)
}

// Run lets a push go that touches nothing of what the last check saw, and otherwise
// runs the check in its place. check is its program and arguments; stdin is what git
// tells a pre-push hook. It returns only when the push may go or the check cannot be
// run.
func Run(ctx context.Context, check []string, stdin *os.File) error {
	if len(check) == 0 {
		return errors.New("want a program to run, and its arguments")
	}
	program, err := exec.LookPath(check[0])
	if err != nil {
		return err
	}
	check = append([]string{program}, check[1:]...)
	_, fromPreCommit := FromPreCommit(os.Getenv) // which tells of the push there
	if fi, err := stdin.Stat(); fromPreCommit || err == nil && fi.Mode()&os.ModeCharDevice != 0 {
		return instead(check, nil, os.Environ()) // it says what is amiss with a terminal
	}
	refs, err := io.ReadAll(stdin)
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	g, err := NewGuard(check)
	if err != nil {
		return err
	}
	push, err := ReadPush(nil, bytes.NewReader(refs))
	if err == nil && g.Lets(ctx, push) {
		return nil
	}
	env := os.Environ()
	if g.Trace != "" {
		env = append(env, TraceVar+"="+g.Trace)
	}
	return instead(check, refs, env)
}
