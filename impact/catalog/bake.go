package catalog

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/docker/buildx/bake"

	"rebuild/impact"
	"rebuild/impact/spelling"
)

// bakeNames are the files that bake reads by default besides those of compose,
// in the order in which it merges them (buildx bake.defaultFilenames).
var bakeNames = []string{"docker-bake.json", "docker-bake.hcl", "docker-bake.override.json", "docker-bake.override.hcl"}

// findBake reads what "docker buildx bake" would read by default in a folder
// with a docker-bake file; nil when there is none.
func findBake(ctx context.Context, r *reader, dir string, opt Options) ([]source, error) {
	files, err := r.tryAll(ctx, dir, bakeNames)
	if err != nil || files == nil {
		return nil, err
	}
	compose, err := r.tryAll(ctx, dir, composeNames)
	if err != nil {
		return nil, err
	}
	if compose, err = selfContained(ctx, r, compose, dir, opt); err != nil {
		return nil, err
	}
	return append(compose, files...), nil
}

// evaluation is the targets and groups of a finding, with overrides applied. What is wrong
// with one target or group is no matter of the others: bake, too, looks only at those
// that it is asked for.
type evaluation struct {
	targets []*bake.Target           // by definition order
	members map[string][]string      // the targets of each group
	faults  map[string]*impact.Fault // of targets that bake would refuse
	broken  map[string]*impact.Fault // of groups
	outline *outline

	bases     map[string][]string // the targets that a target inherits from
	inherited map[string]bool     // targets that others inherit from
}

func newEvaluation(o *outline) *evaluation {
	return &evaluation{outline: o, members: map[string][]string{}, faults: map[string]*impact.Fault{}, broken: map[string]*impact.Fault{}, bases: map[string][]string{}, inherited: map[string]bool{}}
}

// fault notes what is wrong with a target; what was found first counts.
func (ev *evaluation) fault(target string, f *impact.Fault) {
	if _, ok := ev.faults[target]; !ok {
		ev.faults[target] = f
	}
}

// evaluate lets bake evaluate the files that it reads, and the images of
// rebuild.yaml as one more of them, so that --set means the same for both.
func evaluate(ctx context.Context, f *finding, opt Options) (ev *evaluation, err error) {
	if f.found != nil && f.files == nil && f.project == nil && len(opt.Set) == 0 && len(opt.Vars) == 0 {
		return f.doc.evaluateOwn(opt), nil
	}
	in, err := prepare(f, opt)
	if err != nil {
		return nil, err
	}
	defer in.recovered(&err)
	if err := in.ownImages(f); err != nil {
		return nil, err
	}
	cfg, meta, err := bake.ParseFiles(in.files, in.builtin, in.vars, in.opt)
	if err != nil {
		return nil, in.fault(err)
	}
	if len(cfg.Targets) == 0 {
		return nil, &imageless{path: f.path(), why: "it has no target"}
	}
	in.outline.expanded(meta.Renamed["target"])
	ev = newEvaluation(in.outline)
	ev.faults = in.faults
	for _, t := range cfg.Targets {
		ev.bases[t.Name] = t.Inherits
		for _, name := range t.Inherits {
			ev.inherited[name] = true
		}
	}
	ev.resolve(cfg)
	if len(in.set) > 0 {
		if err := ev.override(ctx, in); err != nil {
			return nil, err
		}
	}
	ev.sort()
	ev.link()
	ev.group(cfg)
	return ev, nil
}

// input is what bake is given.
type input struct {
	files   []bake.File
	builtin map[string]string // variables that bake itself defines
	vars    map[string]string // variables given, before those of the process
	set     []string
	opt     bake.ParseOpt
	outline *outline
	faults  map[string]*impact.Fault // of images that are known to be wrong before
	volatile
}

// builtin variables as "docker buildx bake" sets them (commands/bake.go).
func builtin() map[string]string {
	return map[string]string{
		"BAKE_CMD_CONTEXT":    "cwd://",
		"BAKE_LOCAL_PLATFORM": platforms.Format(platforms.DefaultSpec()),
	}
}

// prepare looks through the files without evaluating them, and makes them
// ready for bake.
func prepare(f *finding, opt Options) (in *input, err error) {
	if err := checkBakesDotenv(); err != nil {
		return nil, err
	}
	in = &input{builtin: builtin(), set: opt.Set, outline: &outline{}, faults: map[string]*impact.Fault{}}
	defer in.recovered(&err)
	if v, ok := opt.lookup(bakeRelativeVariable); ok {
		in.opt.FileRelativePaths, _ = strconv.ParseBool(strings.TrimSpace(v)) // checked before
	}
	sources := slices.Clone(f.files)
	if f.project != nil {
		services, err := f.project.bakeFile()
		if err != nil {
			return in, err
		}
		sources = append(sources, services.source)
		in.outline.worded(services.source.path, services.places)
		in.faults = services.faults
	}
	if f.doc != nil && len(f.doc.images) > 0 {
		src := f.doc.bakeFile(opt)
		sources = append(sources, src)
		in.outline.worded(src.path, f.doc.places())
	}
	if !opt.Volatile {
		in.volatile = fixed(sources)
	}
	for _, src := range sources {
		name := in.outline.name(src, f.base)
		in.files = append(in.files, bake.File{Name: name, Data: src.data})
		if kindOf(src) != bakeKind {
			continue
		}
		if err := checkNesting(src); err != nil {
			return in, err
		}
		if in.outline.add(name, src); in.outline.excess != nil {
			return in, in.outline.excess
		}
		last := &in.files[len(in.files)-1]
		if last.Data, err = in.fix(src); err != nil {
			return in, err
		}
	}
	if def := in.definition(); def != nil {
		in.files = append(in.files, *def)
	}
	for _, name := range in.outline.variables {
		for _, key := range []string{name, name + jsonSuffix} {
			if v, ok := opt.lookup(key); ok {
				opt.given.variable(name, v)
			}
		}
	}
	in.vars = in.outline.values(opt.Env)
	for _, name := range sortedKeys(opt.Vars) {
		if !slices.Contains(in.outline.variables, name) {
			return in, &impact.Fault{Cause: fmt.Sprintf("--var %s: no bake file has that variable%s", name, spelling.DidYouMean(name, in.outline.variables))}
		}
		if in.vars == nil {
			in.vars = map[string]string{}
		}
		in.vars[name] = opt.Vars[name]
	}
	return in, nil
}

// ownImages refuses an image that both rebuild.yaml and a definition define:
// bake would merge them.
func (in *input) ownImages(f *finding) error {
	if f.doc == nil || len(f.doc.images) == 0 || len(f.files) == 0 && f.project == nil {
		return nil
	}
	cfg, _, err := bake.ParseFiles(in.definedElsewhere(f), in.builtin, in.vars, in.opt)
	if err != nil {
		return in.fault(err)
	}
	for _, im := range f.doc.images {
		if slices.ContainsFunc(cfg.Targets, func(t *bake.Target) bool { return t.Name == im.name.text }) {
			return f.doc.fault(im.name, "image %q is defined in %s too", im.name.text, in.outline.target(im.name.text).path)
		}
	}
	return nil
}

// definedElsewhere are the files without that of rebuild.yaml's own images.
func (in *input) definedElsewhere(f *finding) []bake.File {
	own := in.outline.names[f.doc.imagesName()]
	return slices.DeleteFunc(slices.Clone(in.files), func(b bake.File) bool { return b.Name == own })
}

// resolve gives every target with what it inherits.
func (ev *evaluation) resolve(cfg *bake.Config) {
	for _, t := range cfg.Targets {
		r, err := cfg.ResolveTarget(t.Name, nil, &bake.EntitlementConf{})
		if err != nil {
			ev.fault(t.Name, ev.outline.target(t.Name).fault("%v", err))
			r = &bake.Target{Tags: t.Tags} // who reads one of these is built on it
		}
		r.Name = t.Name
		ev.targets = append(ev.targets, r)
	}
}

// override applies --set. Only bake's ReadTargets knows how; it parses anew, and is given
// what it can read.
func (ev *evaluation) override(ctx context.Context, in *input) error {
	names := make([]string, len(ev.targets))
	for i, t := range ev.targets {
		names[i] = t.Name
	}
	read := func(names []string) (map[string]*bake.Target, error) {
		over, _, err := bake.ReadTargets(ctx, in.files, slices.Clone(names), in.set, in.builtin, in.vars, &bake.EntitlementConf{}, in.opt)
		return over, err
	}
	resolved := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return ev.faults[n] != nil })
	over, err := read(resolved)
	if err != nil {
		ev.link()
		ev.spread()
		sound := slices.DeleteFunc(slices.Clone(resolved), func(n string) bool { return ev.faults[n] != nil })
		if over, err = read(sound); err != nil {
			return setFault(err, in.set, names)
		}
		if in.setsContexts() {
			for _, name := range resolved { // one that is wrong without --set may be right with it
				if ev.faults[name] == nil {
					continue
				}
				if one, err := read([]string{name}); err == nil {
					over[name] = one[name]
					delete(ev.faults, name)
				}
			}
		}
	}
	for i, name := range names {
		r, ok := over[name]
		switch {
		case ok:
			r.Name = name
			ev.targets[i] = r
		case ev.faults[name] == nil:
			ev.fault(name, ev.outline.target(name).fault("a group of that name hides it from --set"))
		}
	}
	return nil
}

// setsContexts tells whether --set changes which targets use which.
func (in *input) setsContexts() bool {
	return slices.ContainsFunc(in.set, func(s string) bool {
		key, _, _ := strings.Cut(s, "=")
		return strings.Contains(key, ".contexts.")
	})
}

// spread makes targets that have a faulty one as a context faulty, too.
func (ev *evaluation) spread() {
	for range ev.targets { // as long as a chain of contexts can be
		for _, t := range ev.targets {
			for _, key := range sortedKeys(t.Contexts) {
				if name, ok := cutTarget(t.Contexts[key]); ok && ev.faults[name] != nil {
					ev.fault(t.Name, ev.outline.target(t.Name).fault("context %q: %s", key, ev.faults[name].Cause))
				}
			}
		}
	}
}

// sort brings the targets into the order of their definitions: bake's own
// follows the iteration of maps for compose services and matrices.
func (ev *evaluation) sort() {
	slices.SortStableFunc(ev.targets, func(a, b *bake.Target) int {
		return ev.outline.compare(a.Name, b.Name)
	})
}

// link checks the targets that others name as contexts, and passes on their
// entitlements, as bake's own loadLinks does. Who uses a circle of them has no fault of
// its own.
func (ev *evaluation) link() {
	byName := make(map[string]*bake.Target, len(ev.targets))
	for _, t := range ev.targets {
		byName[t.Name] = t
	}
	for _, t := range ev.targets {
		ev.follow(t, t, byName, map[*bake.Target]bool{t: true})
	}
}

// follow looks at the contexts of a target that t is, or that it uses. It tells whether
// one of them leads back to t.
func (ev *evaluation) follow(t, at *bake.Target, byName map[string]*bake.Target, seen map[*bake.Target]bool) (back bool) {
	for _, key := range sortedKeys(at.Contexts) {
		name, ok := cutTarget(at.Contexts[key])
		if !ok {
			continue
		}
		to := byName[name]
		switch {
		case to == nil:
			ev.fault(at.Name, ev.outline.target(at.Name).fault("context %q: unknown target %q%s", key, name, spelling.DidYouMean(name, sortedKeys(byName))))
			continue
		case to == at:
			ev.fault(at.Name, ev.outline.target(at.Name).fault("context %q: a target cannot be its own context", key))
			continue
		case seen[to]:
			back = back || to == t
			continue
		}
		seen[to] = true
		for _, e := range to.Entitlements {
			if !slices.Contains(t.Entitlements, e) {
				t.Entitlements = append(t.Entitlements, e)
			}
		}
		if len(t.Platforms) > 1 && len(to.Platforms) > 1 && !subset(t.Platforms, to.Platforms) {
			ev.fault(t.Name, ev.outline.target(t.Name).fault("its platforms %v are not among those of %s, which it uses: %v", t.Platforms, name, to.Platforms))
		}
		if ev.follow(t, to, byName, seen) {
			back = true
			if at == t {
				ev.fault(t.Name, ev.outline.target(t.Name).fault("context %q: infinite loop from %s to %s", key, t.Name, name))
			}
		}
	}
	return back
}

func subset(a, b []string) bool {
	return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}

// group gives the targets of each group. One that names a target that is not there is
// broken: who asks for it is told so.
func (ev *evaluation) group(cfg *bake.Config) {
	known := map[string]bool{}
	for _, t := range ev.targets {
		known[t.Name] = true
	}
	for _, g := range cfg.Groups {
		names, _ := cfg.ResolveGroup(g.Name)
		if i := slices.IndexFunc(names, func(n string) bool { return !known[n] }); i >= 0 {
			ev.broken[g.Name] = ev.outline.group(g.Name).fault("unknown target %q%s", names[i], spelling.DidYouMean(names[i], sortedKeys(known)))
			ev.broken[g.Name].Hint = "take it out of the group, or name the images that are meant: --all is all of them"
			continue
		}
		slices.SortFunc(names, ev.outline.compare)
		ev.members[g.Name] = names
	}
}

// setFault says what is wrong with the overrides.
func setFault(err error, set, names []string) error {
	for _, s := range set {
		key, _, _ := strings.Cut(s, "=")
		pattern, _, _ := strings.Cut(key, ".")
		if !slices.ContainsFunc(names, func(n string) bool { return matches(pattern, n) }) {
			return &impact.Fault{Cause: fmt.Sprintf("--set %s: no image matches %q%s", s, pattern, spelling.DidYouMean(pattern, names))}
		}
	}
	return &impact.Fault{Cause: "--set " + strings.Join(set, " ") + ": " + message(err)}
}
