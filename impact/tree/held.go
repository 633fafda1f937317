package tree

import (
	"context"
	"errors"
	"strings"
)

// Held gives the nearest ancestor of a commit that one of a remote's tracking refs
// holds: the commit itself when the remote has it already, "" when it has none of
// its history, as far as is known here.
func (r *Repository) Held(ctx context.Context, commit, remote string) (string, error) {
	out, err := r.git.run(ctx, "rev-list", "--boundary", commit, "--not", "--remotes="+remote)
	if err != nil {
		return "", err
	}
	if len(out) == 0 {
		return commit, nil
	}
	for line := range strings.Lines(string(out)) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "-"); ok {
			return id, nil
		}
	}
	return "", nil
}

// CheckedOut tells whether the working tree is that of a commit: it is HEAD, and no
// tracked file is edited.
func (r *Repository) CheckedOut(ctx context.Context, commit string) (bool, error) {
	head, err := r.Resolve(ctx, "HEAD")
	if unborn := (*RevisionError)(nil); errors.As(err, &unborn) {
		return false, nil
	}
	if err != nil || head != commit {
		return false, err
	}
	_, err = r.git.run(ctx, "diff", "--quiet", "--no-ext-diff", "HEAD", "--")
	if exited(err, 1) {
		return false, nil
	}
	return err == nil, err
}

// LocalEnv names the variables that point git at a repository. Git sets some of them
// for its hooks, where they would lead other children to the wrong one.
func LocalEnv() []string { return localEnv }
