package docker

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"rebuild/impact"
)

// followEach makes everything travel that lies behind a symlink. BuildKit asks for
// the paths that a Dockerfile names, and fsutil.FollowLinks, which finds what they
// lead to, follows each link once: of two files that are copied through one linked
// folder it would send the first, and of a path that passes a link twice nothing.
func followEach(ctx context.Context, mounts map[string]fsutil.FS) filesync.FilterOptFunc {
	return func(name string, opt *fsutil.FilterOpt) error {
		files, ok := mounts[name]
		if !ok {
			return nil
		}
		passed := map[string]bool{}
		for _, p := range slices.Clone(opt.FollowPaths) {
			f := &follower{files: files, ends: map[string]bool{}, passed: map[string]bool{}, seen: map[string]bool{}}
			if err := f.follow(ctx, path.Clean("/" + p)[1:], 0); err != nil {
				return err
			}
			for _, end := range slices.Sorted(maps.Keys(f.ends)) {
				if len(f.passed) > 0 && !slices.Contains(opt.FollowPaths, end) {
					opt.FollowPaths = append(opt.FollowPaths, end)
				}
			}
			maps.Copy(passed, f.passed)
		}
		if len(passed) == 0 {
			return nil
		}
		reached, err := fsutil.FollowLinks(files, opt.FollowPaths)
		if err != nil {
			return err
		}
		for _, link := range slices.Sorted(maps.Keys(passed)) {
			if !covered(reached, link) { // it brings all that it leads to: more than is needed, and right
				opt.FollowPaths = append(opt.FollowPaths, link)
			}
		}
		return nil
	}
}

// covered tells whether a path travels with others; without any, all does.
func covered(paths []string, p string) bool {
	return len(paths) == 0 || slices.ContainsFunc(paths, func(r string) bool {
		matches, _ := path.Match(r, p)
		return matches || strings.HasPrefix(p, r+"/")
	})
}

// mostLinks is how many symlinks a path may pass, as in BuildKit (solver/llbsolver/file,
// containerd's fs.RootPath).
const mostLinks = 255

// follower finds where a path leads to, as fsutil.FollowLinks does (followlinks.go), but
// however often it passes a link.
type follower struct {
	files  fsutil.FS
	ends   map[string]bool // what no link is on the way to any more; it may hold wildcards, or be nowhere
	passed map[string]bool // the links on the way
	seen   map[string]bool // paths that were followed: wildcards come to one in many ways
}

// follow follows a clean slash path from the root, after so many links.
func (f *follower) follow(ctx context.Context, p string, links int) error {
	if links > mostLinks || f.seen[p] {
		return nil // beyond that many links BuildKit's own copy finds nothing either
	}
	f.seen[p] = true
	at := ""
	for rest := p; rest != ""; {
		part, after, _ := strings.Cut(rest, "/")
		targets, err := f.targets(ctx, at, part)
		if err != nil {
			return err
		}
		for _, target := range targets {
			if err := f.follow(ctx, path.Join("/", target, after)[1:], links+1); err != nil {
				return err
			}
		}
		if len(targets) > 0 && !impact.HasWildcard(part) {
			return nil
		}
		at, rest = path.Join(at, part), after
	}
	f.ends[at] = true
	return nil
}

// targets are what the symlinks lead to that a name in a folder means, from the root.
func (f *follower) targets(ctx context.Context, dir, name string) ([]string, error) {
	var found []string
	add := func(p string, entry fs.DirEntry) error {
		if entry.Type()&fs.ModeSymlink == 0 {
			return nil
		}
		fi, err := entry.Info()
		if err != nil {
			return err
		}
		stat, ok := fi.Sys().(*types.Stat)
		if !ok {
			return &fs.PathError{Op: "follow", Path: p, Err: errors.New("no stat of a build context")}
		}
		f.passed[p] = true
		if target := path.Clean(stat.Linkname); path.IsAbs(target) {
			found = append(found, target[1:])
		} else {
			found = append(found, path.Join("/", path.Dir(p), target)[1:])
		}
		return nil
	}
	root := path.Join(dir, name)
	if impact.HasWildcard(name) {
		root = dir
	}
	err := f.files.Walk(ctx, root, func(p string, entry fs.DirEntry, err error) error {
		p = strings.ReplaceAll(p, "\\", "/")
		switch {
		case err != nil:
			return err
		case p == root && p == path.Join(dir, name):
			err = add(p, entry)
		case p == root, p == "", p == ".":
			return nil
		default:
			if ok, _ := path.Match(name, path.Base(p)); ok {
				err = add(p, entry)
			}
		}
		if err == nil && entry.IsDir() {
			err = fs.SkipDir
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return found, err
}
