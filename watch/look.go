package watch

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"
)

// look makes the watches what they should be, and reports the folders of the set
// that are newly watched or gone.
func (n *notify) look(ctx context.Context) error {
	if n.heard.Load() {
		n.probed = ""
	}
	if n.probed != "" && !time.Now().Before(n.until) {
		return &deafError{"no event came for a probe in " + n.probed}
	}
	v, ids := n.survey()
	for _, path := range n.set {
		if id, ok := ids[path]; ok && n.known[path] != id {
			if kind := n.src.silentKind(path); kind != "" {
				return &deafError{fmt.Sprintf("the file system under %s (%s) reports no events", path, kind)}
			}
		}
	}
	unplaced := n.drop(v, ids)
	n.scene.Store(v)
	if err := n.place(ctx, unplaced, v, ids); err != nil {
		return err
	}
	n.report(ids)
	return nil
}

// survey finds which folders are wanted, which of them exist, and which are one.
func (n *notify) survey() (v *view, ids map[string]identity) {
	v = &view{set: map[string]bool{}, names: map[string][]string{}}
	read := links{}
	paths := slices.Clone(n.set)
	for _, path := range n.set {
		v.set[path] = true
		paths = append(paths, read.behind(path)...)
	}
	ids = map[string]identity{}
	exists := func(path string) bool {
		if _, ok := ids[path]; ok {
			return true
		}
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() {
			return false
		}
		ids[path], _ = identify(path, info)
		return true
	}
	v.wanted = lookouts(paths, exists)
	for _, path := range paths {
		v.wanted[path] = true
	}
	names := map[identity][]string{}
	for _, path := range slices.Sorted(maps.Keys(v.wanted)) {
		if exists(path) {
			names[ids[path]] = append(names[ids[path]], path)
		}
	}
	for _, paths := range names {
		// Events that happen to a folder itself come under its own path, not a link's.
		own := slices.IndexFunc(paths, func(path string) bool { return len(paths) > 1 && !read.linked(path) })
		v.names[paths[max(own, 0)]] = paths
	}
	return v, ids
}

// drop takes away the watches of folders that are wanted no more, are others now, or
// were removed in between, and gives the paths that then have none, sorted.
func (n *notify) drop(v *view, ids map[string]identity) (unplaced []string) {
	n.mu.Lock()
	ended, lost := n.ended, n.lost
	n.ended, n.lost = map[string]bool{}, false
	n.mu.Unlock()
	stale := map[identity]bool{}
	for path, id := range n.placed {
		wasEnded := slices.ContainsFunc(v.names[path], func(name string) bool { return ended[name] })
		if lost || wasEnded || v.names[path] == nil || ids[path] != id {
			stale[id] = true
		}
	}
	// fsnotify may hold one folder under two paths for a moment (renamed from one to the
	// other between two looks), and then drops both with the first.
	for path, id := range n.placed {
		if stale[id] {
			_ = n.src.remove(path) // it may be gone by itself
			delete(n.placed, path)
		}
	}
	for path, id := range n.known {
		if stale[id] {
			n.known[path] = identity{}
		}
	}
	for path := range v.names {
		if _, ok := n.placed[path]; !ok {
			unplaced = append(unplaced, path)
		}
	}
	slices.Sort(unplaced)
	return unplaced
}

// place adds the watches. Folders that cannot be watched now are taken out of ids.
func (n *notify) place(ctx context.Context, unplaced []string, v *view, ids map[string]identity) error {
	for _, path := range unplaced {
		if err := ctx.Err(); err != nil {
			return err
		}
		placed, err := n.src.place(path)
		if err != nil {
			return err
		}
		if placed {
			n.placed[path] = ids[path]
			poke(n.again) // what came in it before its watch, another look sees
			continue
		}
		for _, name := range v.names[path] {
			delete(ids, name)
		}
	}
	return nil
}

// report adds the folders of the set that are newly watched, watched anew, or gone.
func (n *notify) report(ids map[string]identity) {
	known := make(map[string]identity, len(n.set))
	for _, path := range n.set {
		id, there := ids[path]
		old, was := n.known[path]
		if there != was || id != old {
			n.hints.add(path)
		}
		if there {
			known[path] = id
		}
	}
	n.known = known
}
