package prepush

import (
	"context"
	"slices"

	"rebuild/hooks"
)

// Commit is a commit that a push brings to a remote, and what the remote has in its place.
type Commit struct {
	Ref  string // as it is called at the remote
	Base string // a commit; zeros: the remote has nothing of it
	ID   string
}

// commits lists what a push brings, each once. What is deleted, and what is no
// commit, brings nothing; so does a tag of what the remote has already.
func (o Options) commits(ctx context.Context, push hooks.Push) ([]Commit, error) {
	var list []Commit
	for _, tags := range []bool{false, true} {
		for _, u := range push.Updates {
			if u.Deletes() || u.IsTag() != tags {
				continue
			}
			c, err := o.commit(ctx, push.Remote, u)
			if err != nil {
				return nil, err
			}
			same := func(other Commit) bool { return other.ID == c.ID && (tags || other.Base == c.Base) }
			if c.Base != c.ID && !slices.ContainsFunc(list, same) {
				list = append(list, c)
			}
		}
	}
	return list, nil
}

// commit finds the commit that an update brings and the baseline of it: what the
// remote has under that name, if it is known here; else the nearest ancestor that
// the remote is known to have. Of what is no commit both are "".
func (o Options) commit(ctx context.Context, remote string, u hooks.Update) (Commit, error) {
	c := Commit{Ref: u.RemoteRef}
	id, ok, err := o.Resolve(ctx, u.Local)
	if err != nil || !ok {
		return c, err
	}
	c.ID = id
	if !u.IsNew() && !u.IsTag() {
		if c.Base, ok, err = o.Resolve(ctx, u.Remote); err != nil || ok {
			return c, err
		}
	}
	if c.Base, err = o.KnownAt(ctx, id, remote); c.Base == "" {
		c.Base = hooks.Zero
	}
	return c, err
}
