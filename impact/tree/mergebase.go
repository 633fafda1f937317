package tree

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"rebuild/impact/safefile"
)

// ShallowError says that a clone's history ends before the merge base, so that
// nobody can tell which commit it is.
type ShallowError struct {
	A, B    string // as they were asked for
	Command string // what fetches the rest
}

// Error implements error.
func (e *ShallowError) Error() string {
	return fmt.Sprintf("the history of this shallow clone does not reach the merge base of %s and %s", e.A, e.B)
}

// UnrelatedError says that two commits have no common ancestor.
type UnrelatedError struct{ A, B string }

// Error implements error.
func (e *UnrelatedError) Error() string {
	return fmt.Sprintf("%s and %s have no common ancestor", e.A, e.B)
}

// MergeBase gives the best common ancestor of two commits. It is git that looks
// for it: go-git would walk the whole history.
func (r *Repository) MergeBase(ctx context.Context, a, b string) (string, error) {
	ca, err := r.Resolve(ctx, a)
	if err != nil {
		return "", err
	}
	cb, err := r.Resolve(ctx, b)
	if err != nil {
		return "", err
	}
	if ca == cb {
		return ca, nil
	}
	base, err := r.git.line(ctx, "merge-base", ca, cb)
	if err != nil && !exited(err, 1) {
		return "", err
	}
	if base == ca || base == cb {
		return base, nil
	}
	cut, err := r.shallowCommits()
	if err != nil {
		return "", err
	}
	switch {
	case base == "" && len(cut) == 0:
		return "", &UnrelatedError{a, b}
	case base == "":
		return "", &ShallowError{a, b, r.deepen(ctx)}
	case len(cut) == 0:
		return base, nil
	}
	// A better base can hide behind a commit whose parents were not fetched, if it
	// is not itself behind the base that was found.
	out, err := r.git.run(ctx, "rev-list", ca, cb, "^"+base)
	if err != nil {
		return "", err
	}
	for id := range strings.Lines(string(out)) {
		if cut[strings.TrimSpace(id)] {
			return "", &ShallowError{a, b, r.deepen(ctx)}
		}
	}
	return base, nil
}

// shallowCommits are those whose parents were not fetched.
func (r *Repository) shallowCommits() (map[string]bool, error) {
	data, err := safefile.Read(filepath.Join(r.CommonDir, "shallow"), safefile.Record)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	cut := map[string]bool{}
	for id := range strings.Lines(string(data)) {
		cut[strings.TrimSpace(id)] = true
	}
	return cut, nil
}

// deepen is the command that fetches the rest of the history.
func (r *Repository) deepen(ctx context.Context) string {
	command := "git fetch --unshallow"
	// Without a name git asks the branch's remote or origin; one that has another
	// name must be said.
	if names, err := r.remotes(ctx); err == nil && len(names) == 1 && names[0] != "origin" {
		return command + " " + names[0]
	}
	return command
}
