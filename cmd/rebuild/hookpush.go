package main

import (
	"context"
	"errors"
	"slices"

	"rebuild/hooks"
	"rebuild/impact/tree"
)

// pushed is a commit that a push brings to a remote, and what the remote has in its
// place.
type pushed struct {
	ref    string // as it is called at the remote
	base   string // a commit; zeros: the remote has nothing of it
	commit string
}

// pushedBy lists what a push brings, each once. What is deleted, and what is no
// commit, brings nothing; so does a tag of what the remote has already.
func pushedBy(ctx context.Context, repo *tree.Repository, push hooks.Push) ([]pushed, error) {
	var list []pushed
	for _, tags := range []bool{false, true} {
		for _, u := range push.Updates {
			if u.Deletes() || u.IsTag() != tags {
				continue
			}
			p, err := brings(ctx, repo, push.Remote, u)
			if err != nil {
				return nil, err
			}
			same := func(q pushed) bool { return q.commit == p.commit && (tags || q.base == p.base) }
			if p.base != p.commit && !slices.ContainsFunc(list, same) {
				list = append(list, p)
			}
		}
	}
	return list, nil
}

// brings finds the commit that an update brings and the baseline of it: what the
// remote has under that name, if it is known here; else the nearest ancestor that
// the remote is known to hold. Of what is no commit both are "".
func brings(ctx context.Context, repo *tree.Repository, remote string, u hooks.Update) (pushed, error) {
	p := pushed{ref: u.RemoteRef}
	commit, ok, err := commitOf(ctx, repo, u.Local)
	if err != nil || !ok {
		return p, err
	}
	p.commit = commit
	if !u.IsNew() && !u.IsTag() {
		if p.base, ok, err = commitOf(ctx, repo, u.Remote); err != nil || ok {
			return p, err
		}
	}
	if p.base, err = repo.KnownAt(ctx, commit, remote); p.base == "" {
		p.base = hooks.Zero
	}
	return p, err
}

// commitOf gives the commit that an object id stands for, if there is one here.
func commitOf(ctx context.Context, repo *tree.Repository, id string) (commit string, ok bool, err error) {
	commit, err = repo.Resolve(ctx, id)
	var none *tree.RevisionError
	if errors.As(err, &none) {
		return "", false, nil
	}
	return commit, err == nil, err
}
