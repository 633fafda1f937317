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

// evaluation is the targets and groups of a finding, with overrides applied.
type evaluation struct {
	targets []*bake.Target      // by definition order
	members map[string][]string // the targets of each group
	outline *outline

	inherited map[string]bool // targets that others inherit from
}

// evaluate lets bake evaluate the files that it reads, and the images of
// rebuild.yaml as one more of them, so that --set means the same for both.
func evaluate(ctx context.Context, f *finding, opt Options) (ev *evaluation, err error) {
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
	ev = &evaluation{outline: in.outline, members: map[string][]string{}}
	if ev.targets, err = in.resolve(ctx, cfg); err != nil {
		return nil, err
	}
	ev.inherited = map[string]bool{}
	for _, t := range cfg.Targets {
		for _, name := range t.Inherits {
			ev.inherited[name] = true
		}
	}
	in.outline.expanded(meta.Renamed["target"])
	ev.sort()
	if err := ev.link(); err != nil {
		return nil, err
	}
	return ev, ev.group(cfg)
}

// input is what bake is given.
type input struct {
	files   []bake.File
	builtin map[string]string // variables that bake itself defines
	vars    map[string]string // variables given, before those of the process
	set     []string
	opt     bake.ParseOpt
	outline *outline
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
	in = &input{builtin: builtin(), set: opt.Set, outline: &outline{}}
	defer in.recovered(&err)
	if v, ok := opt.lookup("BUILDX_BAKE_FILE_RELATIVE_PATHS"); ok {
		in.opt.FileRelativePaths, _ = strconv.ParseBool(v)
	}
	sources := slices.Clone(f.files)
	if f.project != nil {
		src, places, err := f.project.bakeFile()
		if err != nil {
			return in, err
		}
		sources = append(sources, src)
		in.outline.worded(src.path, places)
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
		in.outline.add(name, src)
		last := &in.files[len(in.files)-1]
		if last.Data, err = in.fix(src); err != nil {
			return in, err
		}
	}
	if def := in.definition(); def != nil {
		in.files = append(in.files, *def)
	}
	in.vars = in.outline.values(opt.Env)
	for _, name := range sortedKeys(opt.Vars) {
		if !slices.Contains(in.outline.variables, name) {
			return in, &impact.Fault{Cause: fmt.Sprintf("--var %s: no bake file has that variable%s", name, didYouMean(name, in.outline.variables))}
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

// resolve gives every target with what it inherits and what --set overrides.
func (in *input) resolve(ctx context.Context, cfg *bake.Config) ([]*bake.Target, error) {
	names := make([]string, len(cfg.Targets))
	out := make([]*bake.Target, len(cfg.Targets))
	for i, t := range cfg.Targets {
		names[i] = t.Name
		r, err := cfg.ResolveTarget(t.Name, nil, &bake.EntitlementConf{})
		if err != nil {
			return nil, in.outline.target(t.Name).fault("%v", err)
		}
		r.Name = t.Name
		out[i] = r
	}
	if len(in.set) == 0 {
		return out, nil
	}
	// Only ReadTargets knows overrides, and it parses anew.
	over, _, err := bake.ReadTargets(ctx, in.files, slices.Clone(names), in.set, in.builtin, in.vars, &bake.EntitlementConf{}, in.opt)
	if err != nil {
		return nil, setFault(err, in.set, names)
	}
	for i, name := range names {
		r, ok := over[name]
		if !ok {
			return nil, in.outline.target(name).fault("a group of that name hides it")
		}
		r.Name = name
		out[i] = r
	}
	return out, nil
}

// sort brings the targets into the order of their definitions: bake's own
// follows the iteration of maps for compose services and matrices.
func (ev *evaluation) sort() {
	slices.SortStableFunc(ev.targets, func(a, b *bake.Target) int {
		return ev.outline.compare(a.Name, b.Name)
	})
}

// link checks the targets that others name as contexts, and passes on their
// entitlements, as bake's own loadLinks does. Cycles are left to the graph of
// images, which can print them.
func (ev *evaluation) link() error {
	byName := make(map[string]*bake.Target, len(ev.targets))
	for _, t := range ev.targets {
		byName[t.Name] = t
	}
	for _, t := range ev.targets {
		seen := map[*bake.Target]bool{t: true}
		if err := ev.follow(t, t, byName, seen); err != nil {
			return err
		}
	}
	return nil
}

func (ev *evaluation) follow(t, at *bake.Target, byName map[string]*bake.Target, seen map[*bake.Target]bool) error {
	for _, key := range sortedKeys(at.Contexts) {
		name, ok := cutTarget(at.Contexts[key])
		if !ok {
			continue
		}
		to := byName[name]
		switch {
		case to == nil:
			return ev.outline.target(at.Name).fault("context %q: unknown target %q%s", key, name, didYouMean(name, sortedKeys(byName)))
		case to == at:
			return ev.outline.target(at.Name).fault("context %q: a target cannot be its own context", key)
		case seen[to]:
			continue
		}
		seen[to] = true
		for _, e := range to.Entitlements {
			if !slices.Contains(t.Entitlements, e) {
				t.Entitlements = append(t.Entitlements, e)
			}
		}
		if len(t.Platforms) > 1 && len(to.Platforms) > 1 && !subset(t.Platforms, to.Platforms) {
			return ev.outline.target(t.Name).fault("its platforms %v are not among those of %s, which it uses: %v", t.Platforms, name, to.Platforms)
		}
		if err := ev.follow(t, to, byName, seen); err != nil {
			return err
		}
	}
	return nil
}

func subset(a, b []string) bool {
	return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}

// group gives the targets of each group.
func (ev *evaluation) group(cfg *bake.Config) error {
	known := map[string]bool{}
	for _, t := range ev.targets {
		known[t.Name] = true
	}
	for _, g := range cfg.Groups {
		names, _ := cfg.ResolveGroup(g.Name)
		for _, name := range names {
			if !known[name] {
				return ev.outline.group(g.Name).fault("unknown target %q%s", name, didYouMean(name, sortedKeys(known)))
			}
		}
		slices.SortFunc(names, ev.outline.compare)
		ev.members[g.Name] = names
	}
	return nil
}

// setFault says what is wrong with the overrides.
func setFault(err error, set, names []string) error {
	for _, s := range set {
		key, _, _ := strings.Cut(s, "=")
		pattern, _, _ := strings.Cut(key, ".")
		if !slices.ContainsFunc(names, func(n string) bool { return matches(pattern, n) }) {
			return &impact.Fault{Cause: fmt.Sprintf("--set %s: no image matches %q%s", s, pattern, didYouMean(pattern, names))}
		}
	}
	return &impact.Fault{Cause: "--set " + strings.Join(set, " ") + ": " + message(err)}
}
