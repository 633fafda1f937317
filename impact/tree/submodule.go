package tree

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"rebuild/impact"
)

// moduleDigest identifies the content of a submodule's working tree: the commit
// that is checked out, and, if files differ from it, their digest too. A
// submodule that is not checked out is as the superproject has it.
func moduleDigest(ctx context.Context, dir, recorded string) (impact.Digest, error) {
	if _, err := os.Lstat(filepath.Join(dir, ".git")); missing(err) {
		return impact.Digest(recorded), nil
	}
	module, err := Open(ctx, dir)
	if err != nil {
		return "", err
	}
	defer module.Close()
	worktree, err := module.Worktree(ctx, Options{View: Git})
	if err != nil {
		return "", err
	}
	everything := impact.Selection{Context: ".", Path: "/"}
	now, err := worktree.Read(ctx, everything)
	if err != nil {
		return "", err
	}
	head, err := module.Commit(ctx, "HEAD", Git)
	if noCommit := (*RevisionError)(nil); errors.As(err, &noCommit) {
		return now.Digest, nil
	}
	if err != nil {
		return "", err
	}
	then, err := head.Read(ctx, everything)
	if err != nil {
		return "", err
	}
	commit := impact.Digest(head.Side().Commit)
	if now.Digest == then.Digest {
		return commit, nil
	}
	return commit + "+" + now.Digest, nil
}
