package catalog

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"sync"

	"rebuild/impact"
)

// Memo keeps catalogs by the definitions and options that they come of. Both
// sides of a plan mostly have the same definition, and bake takes a third of a
// second for a thousand targets.
//
// It is for one command in one environment: variables are not part of what it
// goes by. Its catalogs share memory and must not be changed. The zero value
// is ready, nil keeps nothing, and it may be used concurrently.
type Memo struct {
	mu   sync.Mutex // guards kept
	kept map[[sha256.Size]byte]impact.Catalog
}

func (m *Memo) get(key [sha256.Size]byte, load func() (impact.Catalog, error)) (impact.Catalog, error) {
	if m == nil {
		return load()
	}
	m.mu.Lock()
	defer m.mu.Unlock() // held while loading, so that nothing is evaluated twice
	if cat, ok := m.kept[key]; ok {
		return cat, nil
	}
	cat, err := load()
	if err != nil {
		return cat, err
	}
	if m.kept == nil {
		m.kept = map[[sha256.Size]byte]impact.Catalog{}
	}
	m.kept[key] = cat
	return cat, nil
}

// key identifies all that a catalog is computed from.
func (f *finding) key(opt Options) [sha256.Size]byte {
	h := sha256.New()
	add := func(s string) { fmt.Fprintf(h, "%d:%s", len(s), s) }
	for _, s := range f.files {
		add(s.path)
		add(string(s.data))
	}
	add(f.base)
	add(f.docDir)
	if f.project != nil {
		// The variables of a compose file are resolved by now. An error in what
		// follows is the same when it is made again, and none is kept.
		services, _ := f.project.bakeFile()
		add(services.source.path)
		add(string(services.source.data))
		for _, name := range sortedKeys(f.project.secretEnv) {
			add(name)
			add(f.project.secretEnv[name])
		}
		add("") // no variable is nameless
		for _, name := range sortedKeys(services.faults) {
			add(name)
			add(services.faults[name].Error())
		}
		add("") // no image is nameless
	}
	if f.found != nil {
		src := f.doc.bakeFile(opt)
		add(string(src.data))
		for _, im := range f.found.images {
			add(im.origin())
			add(im.apart)
		}
	}
	for _, w := range f.warnings {
		add(w)
	}
	if f.doc != nil {
		add(f.doc.path)
		add(string(f.doc.data))
	}
	add(opt.Root)
	add(fmt.Sprint(opt.Volatile))
	for _, s := range opt.Set {
		add(s)
	}
	add("") // no override is empty
	for _, k := range sortedKeys(opt.Vars) {
		add(k)
		add(opt.Vars[k])
	}
	add("") // no variable is nameless
	for _, k := range slices.Sorted(maps.Keys(opt.BuildArgs)) {
		add(k)
		add(opt.BuildArgs[k])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
