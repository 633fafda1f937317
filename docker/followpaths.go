package docker

import (
	"slices"

	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"

	"rebuild/impact"
)

// followEach makes everything travel that lies behind a symlink. BuildKit asks for
// the paths that a Dockerfile names, and fsutil.FollowLinks, which finds what they
// lead to, follows each link once: of two files that are copied through one linked
// folder it would send the first.
func followEach(mounts map[string]fsutil.FS) filesync.FilterOptFunc {
	return func(name string, opt *fsutil.FilterOpt) error {
		files, ok := mounts[name]
		if !ok {
			return nil
		}
		for _, p := range slices.Clone(opt.FollowPaths) {
			reached, err := fsutil.FollowLinks(files, []string{p})
			if err != nil {
				return err
			}
			for _, r := range reached {
				if len(reached) == 1 || slices.Contains(opt.FollowPaths, r) {
					continue // no link is on the way, or it is asked for
				}
				link, err := isLink(files, r)
				if err != nil {
					return err
				}
				if !link { // a link itself would bring all that it leads to
					opt.FollowPaths = append(opt.FollowPaths, r)
				}
			}
		}
		return nil
	}
}

// isLink tells whether a path without wildcards is a symlink.
func isLink(files fsutil.FS, p string) (bool, error) {
	if impact.HasWildcard(p) {
		return false, nil
	}
	reached, err := fsutil.FollowLinks(files, []string{p})
	return len(reached) > 1, err
}
