package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// goGit reads objects in this process, which saves starting git.
type goGit struct {
	mu    sync.Mutex // go-git's storage is not safe for concurrent use
	store storer.Storer
}

func openGoGit(root string) (*goGit, error) {
	repo, err := git.PlainOpenWithOptions(root, &git.PlainOpenOptions{EnableDotGitCommonDir: true})
	if err != nil {
		return nil, err
	}
	return &goGit{store: repo.Storer}, nil
}

var (
	plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/+-]*$`)
	fullSHA1  = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// resolve knows full ids and names of refs, in the order of gitrevisions(7).
func (g *goGit) resolve(_ context.Context, rev string) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if fullSHA1.MatchString(rev) {
		return g.commit(plumbing.NewHash(rev))
	}
	if !plainName.MatchString(rev) || strings.Contains(rev, "..") {
		return "", errNoObject
	}
	for _, form := range []string{"%s", "refs/%s", "refs/tags/%s", "refs/heads/%s", "refs/remotes/%s", "refs/remotes/%s/HEAD"} {
		name := fmt.Sprintf(form, rev)
		if form == "%s" && name != "HEAD" && !strings.HasPrefix(name, "refs/") {
			continue
		}
		ref, err := storer.ResolveReference(g.store, plumbing.ReferenceName(name))
		if errors.Is(err, plumbing.ErrReferenceNotFound) {
			continue
		}
		if err != nil {
			return "", err
		}
		return g.commit(ref.Hash())
	}
	return "", errNoObject
}

// commit follows annotated tags.
func (g *goGit) commit(h plumbing.Hash) (string, error) {
	for {
		o, err := object.GetObject(g.store, h)
		if err != nil {
			return "", err
		}
		switch o := o.(type) {
		case *object.Commit:
			return h.String(), nil
		case *object.Tag:
			h = o.Target
		default:
			return "", errNoObject
		}
	}
}

func (g *goGit) tree(_ context.Context, id string) ([]treeEntry, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := plumbing.NewHash(id)
	o, err := g.store.EncodedObject(plumbing.AnyObject, h)
	if err != nil {
		return nil, err
	}
	if o.Type() == plumbing.CommitObject {
		c, err := object.DecodeCommit(g.store, o)
		if err != nil {
			return nil, err
		}
		if o, err = g.store.EncodedObject(plumbing.TreeObject, c.TreeHash); err != nil {
			return nil, err
		}
	}
	if o.Type() != plumbing.TreeObject {
		return nil, errNoObject
	}
	data, err := content(o)
	if err != nil {
		return nil, err
	}
	return parseTree(data, sha1Format)
}

func (g *goGit) blob(_ context.Context, id string, limit int64) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if limit != unlimited { // it keeps in memory what it finds
		size, err := g.store.EncodedObjectSize(plumbing.NewHash(id))
		if err == nil {
			err = sizeWithin(size, limit)
		}
		if err != nil {
			return nil, err
		}
	}
	o, err := g.store.EncodedObject(plumbing.BlobObject, plumbing.NewHash(id))
	if err != nil {
		return nil, err
	}
	return content(o)
}

func (g *goGit) size(_ context.Context, id string) (int64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.store.EncodedObjectSize(plumbing.NewHash(id))
}

func content(o plumbing.EncodedObject) ([]byte, error) {
	r, err := o.Reader()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
