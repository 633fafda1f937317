package hooks

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Untouched tells whether a push touches nothing of what the check read. It is false
// too when that is not known: of a new branch or a tag the baseline has to be found
// first, and what git cannot compare may be anything. Git looks in the folder that
// the process runs in, as a hook does.
func (t *Trace) Untouched(ctx context.Context, push Push) bool {
	var commits []string
	for _, u := range push.Updates {
		switch {
		case u.Deletes():
		case u.IsNew(), u.IsTag():
			return false
		default:
			commits = append(commits, u.Local, u.Remote)
		}
	}
	conversions := make(chan string, 1)
	go func() { conversions <- Conversions(ctx, ".") }()
	changes, ok := changesFrom(ctx, t.Commit, commits)
	if c := <-conversions; c == "" || c != t.Conversions || !ok {
		return false
	}
	read := newReadSet(t)
	return !slices.ContainsFunc(changes, read.touchedBy) && !slices.ContainsFunc(t.Beside, Stamp.changed)
}

// changed tells whether a file does not hold any more what it did.
func (s Stamp) changed() bool {
	now, err := StampOf(s.Path)
	return err != nil || now != s
}

// Conversions is the digest of those of git's settings that decide how the content of
// a file differs from that of its blob; the attributes that they work with lie in files.
// It is "" when git does not say.
func Conversions(ctx context.Context, dir string) string {
	cmd := exec.CommandContext(ctx, "git", "config", "-z", "--get-regexp", `^(core\.(autocrlf|eol|attributesfile)|filter\..*)$`)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil && !exited(err, 1) { // 1: there are none
		return ""
	}
	return digest(out)
}

// changesFrom lists how commits differ from one of them, in one run of git. ok is
// false when git cannot tell of each.
func changesFrom(ctx context.Context, from string, commits []string) (list []change, ok bool) {
	var in, want strings.Builder
	for _, c := range commits {
		if c != from {
			// Given as its only parent (git-diff-tree(1), --stdin). What git replace says is
			// not asked for: it stays here when commits are pushed.
			in.WriteString(c + " " + from + "\n")
			want.WriteString(c + "\x00")
		}
	}
	if in.Len() == 0 {
		return nil, true
	}
	cmd := exec.CommandContext(ctx, "git", "--no-replace-objects", "diff-tree", "--stdin", "--always",
		"-r", "-t", "-z", "--raw", "--no-renames", "--ignore-submodules=none")
	cmd.Env = append(os.Environ(), "GIT_NO_LAZY_FETCH=1")
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if err != nil {
		return nil, false
	}
	var answered strings.Builder
	for len(out) > 0 {
		var head []byte
		if head, out, ok = bytes.Cut(out, []byte{0}); !ok {
			return nil, false
		}
		if len(head) == 0 || head[0] != ':' {
			answered.Write(head)
			answered.WriteByte(0)
			continue
		}
		var name []byte
		name, out, ok = bytes.Cut(out, []byte{0})
		modes := strings.Fields(string(head[1:])) // and ids, and a letter
		if !ok || len(modes) != 5 {
			return nil, false
		}
		list = append(list, change{path: string(name), before: modes[0], after: modes[1]})
	}
	return list, answered.String() == want.String()
}
