package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// RevisionError says that a revision names no commit.
type RevisionError struct {
	Rev     string
	Remotes []string // branches of several remotes that it may mean, as "origin/main"
	Command string   // what cures it; "": nobody knows
}

// Error implements error.
func (e *RevisionError) Error() string {
	if len(e.Remotes) > 0 {
		return fmt.Sprintf("revision %q may be that of several remotes: %s", e.Rev, strings.Join(e.Remotes, ", "))
	}
	return fmt.Sprintf("revision %q does not exist", e.Rev)
}

// Known gives the revision under which this repository knows what rev means. It is rev
// itself, or the branch of a remote when there is no such branch here, by the rule of git
// checkout: of the only remote that has it, or of checkout.defaultRemote. The error is a
// *RevisionError with what cures it.
func (r *Repository) Known(ctx context.Context, rev string) (string, error) {
	_, err := r.Resolve(ctx, rev)
	missing := (*RevisionError)(nil)
	if !errors.As(err, &missing) {
		return rev, err
	}
	if !branchName(rev) {
		missing.Command, err = r.fetches(ctx, "")
		return "", errors.Join(err, missing)
	}
	tracking, err := r.git.run(ctx, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/remotes/*/"+rev)
	if err != nil {
		return "", err
	}
	found := strings.Fields(string(tracking))
	if preferred := r.config.get("checkout.defaultremote") + "/" + rev; slices.Contains(found, preferred) {
		return preferred, nil
	}
	switch len(found) {
	case 0:
		missing.Command, err = r.fetches(ctx, rev)
		return "", errors.Join(err, missing)
	case 1:
		return found[0], nil
	}
	missing.Remotes = found
	missing.Command = "git config checkout.defaultRemote " + strings.TrimSuffix(found[0], "/"+rev)
	return "", missing
}

// References lists the branches and tags, by the short names that git gives them.
func (r *Repository) References(ctx context.Context) ([]string, error) {
	out, err := r.git.run(ctx, "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags", "refs/remotes")
	return strings.Fields(string(out)), err
}

// branchName tells whether a revision can be a branch's name, and nothing else
// (git-check-ref-format).
func branchName(rev string) bool {
	return rev != "HEAD" && !strings.HasPrefix(rev, "-") && !strings.Contains(rev, "..") && !strings.ContainsAny(rev, "~^:?*[\\@ \x00\x7f") && !fullID(rev)
}

// fullID tells whether a revision is an object's whole id.
func fullID(rev string) bool {
	return (len(rev) == 40 || len(rev) == 64) && strings.Trim(rev, "0123456789abcdef") == ""
}

// fetches is the command that fetches a branch, with the history up to it; without a branch
// it fetches what a shallow clone lacks. It is empty where nothing can be fetched.
func (r *Repository) fetches(ctx context.Context, branch string) (string, error) {
	remotes, err := r.remotes(ctx)
	if err != nil {
		return "", err
	}
	shallow, err := r.shallowCommits()
	if err != nil || len(remotes) == 0 {
		return "", err
	}
	if branch == "" {
		if len(shallow) == 0 {
			return "", nil
		}
		return r.deepen(ctx), nil
	}
	remote := remotes[0]
	if slices.Contains(remotes, "origin") {
		remote = "origin"
	}
	for _, name := range remotes {
		if rest, ok := strings.CutPrefix(branch, name+"/"); ok {
			remote, branch = name, rest
			break
		}
	}
	deep := ""
	if len(shallow) > 0 {
		deep = "--unshallow "
	}
	return fmt.Sprintf("git fetch %s%s +refs/heads/%s:refs/remotes/%s/%s", deep, remote, branch, remote, branch), nil
}

// remotes lists the names of the remotes.
func (r *Repository) remotes(ctx context.Context) ([]string, error) {
	out, err := r.git.run(ctx, "remote")
	return strings.Fields(string(out)), err
}
