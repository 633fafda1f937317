package tree

import (
	"context"
	"errors"
	"path"
	"strings"
)

// found is where a path leads.
type found struct {
	node   *node
	links  []*entry // the symlinks on the way
	module *entry   // the submodule that the path leads into, when there is no node
}

// most symlinks on one path, as in BuildKit (cache/contenthash/path.go).
const mostLinks = 255

var errManyLinks = errors.New("too many links")

// resolve finds a path as BuildKit does (cache/contenthash, getFollowLinks):
// symlinks lead no further up than the context's root, and a part that is not
// there is taken as a plain name. follow is for a link at the end of the path. A
// link whose text goes back up through another link ("l/../x") is where BuildKit
// disagrees with itself: its copy drops "l/.." from the text. Here the digest's
// rule counts.
func (s *scope) resolve(ctx context.Context, p string, follow bool) (found, error) {
	var f found
	at, rest := "/", strings.TrimPrefix(p, "/")
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		next := path.Join("/", at, part)
		n, _, err := s.at(ctx, next)
		if err != nil {
			return found{}, err
		}
		if n == nil || !n.isLink() {
			at = next
			continue
		}
		if !follow && rest == "" {
			at = next
			break
		}
		// Its digest too, because it is listed among the files.
		if err := s.src.fill(ctx, n.entry); err != nil {
			return found{}, err
		}
		text, err := s.src.link(ctx, n.entry)
		if err != nil {
			return found{}, err
		}
		if f.links = append(f.links, n.entry); len(f.links) > mostLinks {
			return found{}, errManyLinks
		}
		rest = text + "/" + rest
		if path.IsAbs(text) {
			at = "/"
		}
	}
	var err error
	f.node, f.module, err = s.at(ctx, at)
	return f, err
}
