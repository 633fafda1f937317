package tree

import (
	"context"
	"strings"
)

// KnownAt gives the nearest ancestor of a commit that a remote has, by its tracking refs:
// the commit itself when it has that already, "" when it has none of its history, as far
// as is known here.
func (r *Repository) KnownAt(ctx context.Context, commit, remote string) (string, error) {
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
