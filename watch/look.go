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
	n.drop(ids)
	unplaced := n.assign(v, ids)
	n.scene.Store(v)
	if err := n.place(ctx, unplaced, v, ids); err != nil {
		return err
	}
	n.report(ids)
	return nil
}

// survey finds which folders are wanted, and which of them exist.
func (n *notify) survey() (v *view, ids map[string]identity) {
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
	v = &view{set: map[string]bool{}, wanted: lookouts(n.set, exists), names: map[string][]string{}}
	for _, path := range n.set {
		v.set[path], v.wanted[path] = true, true
	}
	for path := range v.wanted {
		exists(path)
	}
	return v, ids
}

// drop takes away the watches of folders that are wanted no more, are others now, or
// were removed in between.
func (n *notify) drop(ids map[string]identity) {
	n.mu.Lock()
	ended, lost := n.ended, n.lost
	n.ended, n.lost = map[string]bool{}, false
	n.mu.Unlock()
	stale := map[identity]bool{}
	for path, id := range n.placed {
		if lost || ended[path] || ids[path] != id {
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
}

// assign chooses the path under which each folder is watched, and gives those that
// are not placed yet, sorted.
func (n *notify) assign(v *view, ids map[string]identity) (unplaced []string) {
	names := map[identity][]string{}
	for _, path := range slices.Sorted(maps.Keys(ids)) {
		names[ids[path]] = append(names[ids[path]], path)
	}
	for _, paths := range names {
		at := slices.IndexFunc(paths, func(path string) bool {
			_, ok := n.placed[path]
			return ok
		})
		if at < 0 {
			at = 0
			unplaced = append(unplaced, paths[0])
		}
		v.names[paths[at]] = paths
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
