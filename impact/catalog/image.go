package catalog

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/platforms"
	"github.com/docker/buildx/bake"
	"github.com/docker/buildx/util/buildflags"
	"github.com/docker/buildx/util/urlutil"
	"github.com/docker/cli/opts"

	"rebuild/impact"
)

// images puts the images and groups of an evaluation into the catalog. One that
// is defined wrong has its fault, which is not that of the others.
func (ev *evaluation) images(cat *impact.Catalog, f *finding, p paths, opt Options) error {
	own := f.doc.imageNames()
	var left unserved
	for _, t := range ev.targets {
		base := f.base
		if slices.Contains(own, t.Name) {
			base = f.docDir
		}
		at := ev.outline.target(t.Name)
		im, err := targetImage(t, place{paths: p, base: base})
		fault := ev.faults[t.Name]
		if fault != nil { // what the definition gives it is not all there
			im.FaultOfTag = false
			im.Contexts = slices.DeleteFunc(im.Contexts, func(c impact.NamedContext) bool {
				return c.Image != "" && !ev.sound(c.Image) || strings.HasPrefix(c.Dir, types.ServicePrefix)
			})
		} else if err != nil {
			fault = at.fault("%s", cause(err))
		}
		if im.Fault = fault; fault != nil && im.Context == "" && im.RemoteContext == "" {
			im.Context = base
		}
		if t.Dockerfile == nil { // what it inherits is not there
			im.Dockerfile = ""
		}
		if f.project != nil {
			im.SecretEnv = f.project.secretEnv
		}
		im.Origin = at.path
		if im.Origin == "" { // the targets of compose have no blocks
			im.Origin = f.compose()
		}
		im.Unwanted = ev.isAbstract(t)
		cat.Images = append(cat.Images, im)
		at.path = im.Origin
		left.take(t, at)
	}
	cat.Warnings = append(cat.Warnings, left.words()...)
	if len(ev.members) > 0 {
		cat.Groups = ev.members
	}
	if len(ev.broken) > 0 {
		cat.BadGroups = ev.broken
	}
	if def, ok := ev.members["default"]; ok {
		// What rebuild.yaml defines beside bake's files is not bake's to leave out.
		cat.Default = append(slices.Clone(def), slices.DeleteFunc(own, func(n string) bool { return slices.Contains(def, n) })...)
	}
	return nil
}

// sound tells whether there is a target of that name which bake would take.
func (ev *evaluation) sound(name string) bool {
	return ev.faults[name] == nil && slices.ContainsFunc(ev.targets, func(t *bake.Target) bool { return t.Name == name })
}

// cause is the text of an error that gets a place from its caller.
func cause(err error) string {
	if f, ok := err.(*impact.Fault); ok {
		return f.Cause
	}
	return message(err)
}

// place is where the relative paths of a target count from.
type place struct {
	paths
	base string
}

// targetImage makes the image of a resolved target, as bake's toBuildOpt makes
// build options of it.
func targetImage(t *bake.Target, at place) (impact.Image, error) {
	im := impact.Image{
		Name:         t.Name,
		Tags:         slices.Clone(t.Tags),
		Inline:       value(t.DockerfileInline),
		Target:       value(t.Target),
		Args:         values(t.Args),
		Labels:       values(t.Labels),
		NoCache:      t.NoCache != nil && *t.NoCache,
		NoCacheFor:   slices.Clone(t.NoCacheFilter),
		Pull:         t.Pull != nil && *t.Pull,
		ExtraHosts:   values(t.ExtraHosts),
		Ulimits:      slices.Clone(t.Ulimits),
		ShmSize:      value(t.ShmSize),
		Entitlements: slices.Clone(t.Entitlements),
	}
	setExport(&im, t.Outputs)
	bad, badTag := setRefs(&im)
	if err := setManifest(&im, t); err != nil {
		return im, err
	}
	if err := setResources(&im, t.Resources); err != nil {
		return im, err
	}
	if err := checkPolicy(&im, t.Policy); err != nil {
		return im, err
	}
	if err := at.contexts(&im, t); err != nil {
		return im, err
	}
	if err := at.dockerfile(&im, t); err != nil {
		return im, err
	}
	if err := setPlatforms(&im, t.Platforms); err != nil {
		return im, err
	}
	if err := checkLimits(&im); err != nil {
		return im, err
	}
	switch mode := value(t.NetworkMode); mode {
	case "", "default":
	case "none", "host":
		im.Network = mode
	default:
		return im, fmt.Errorf("network %q is not supported by BuildKit", mode)
	}
	at.clientFiles(&im, t)
	if badTag != nil {
		im.FaultOfTag = true
		return im, fmt.Errorf("tag %q: %w", bad, badTag)
	}
	return im, nil
}

// contexts sets the build context and the named ones.
func (at place) contexts(im *impact.Image, t *bake.Target) (err error) {
	main := value(t.Context)
	switch {
	case main == "-":
		return fmt.Errorf("context from stdin not allowed")
	case urlutil.IsRemoteURL(main):
		im.RemoteContext = main
	default:
		if im.Context, err = at.folder(main); err != nil {
			return fmt.Errorf("context: %w", err)
		}
	}
	for _, name := range sortedKeys(t.Contexts) {
		c := impact.NamedContext{Name: name}
		v := t.Contexts[name]
		if target, ok := cutTarget(v); ok {
			c.Image = target
		} else if ref, ok := strings.CutPrefix(v, "docker-image://"); ok {
			c.Ref = ref
		} else if urlutil.IsRemoteURL(v) || strings.HasPrefix(v, "oci-layout://") {
			c.URL = v
		} else if c.Dir, err = at.folder(v); err != nil {
			return fmt.Errorf("context %q: %w", name, err)
		}
		im.Contexts = append(im.Contexts, c)
	}
	return nil
}

// folder resolves a context; "cwd://" is bake's word for the folder that it
// was started in.
func (at place) folder(v string) (string, error) {
	return at.resolve(at.base, strings.TrimPrefix(v, "cwd://"))
}

func cutTarget(v string) (string, bool) { return strings.CutPrefix(v, "target:") }

// dockerfile sets the path of the Dockerfile: relative to the context, in a
// remote context a path there. An inline one has none.
func (at place) dockerfile(im *impact.Image, t *bake.Target) (err error) {
	name := value(t.Dockerfile)
	local, cwd := strings.CutPrefix(name, "cwd://")
	switch {
	case name == "-":
		return fmt.Errorf("dockerfile from stdin not allowed")
	case im.Inline != "":
		return nil
	case urlutil.IsRemoteURL(name):
		im.Dockerfile = name
		return nil
	case im.RemoteContext != "" && (cwd || isAbs(name)): // as buildx has it (build.LoadInputs)
		im.LocalDockerfile = true
		im.Dockerfile, err = at.resolve(at.base, local)
	case cwd:
		im.Dockerfile, err = at.resolve(at.base, local)
	case im.RemoteContext != "":
		im.Dockerfile = path.Clean(filepath.ToSlash(name))
		return nil
	default:
		im.Dockerfile, err = at.resolve(im.Context, name)
	}
	if err != nil {
		return fmt.Errorf("dockerfile: %w", err)
	}
	return nil
}

func setPlatforms(im *impact.Image, given []string) error {
	for _, list := range given {
		for s := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(s, "local") {
				im.Platforms = append(im.Platforms, "")
				continue
			}
			p, err := platforms.Parse(s)
			if err != nil {
				return fmt.Errorf("platform %q: %w", s, err)
			}
			im.Platforms = append(im.Platforms, platforms.FormatAll(platforms.Normalize(p)))
		}
	}
	return nil
}

// checkLimits finds what bake would refuse only when it builds.
func checkLimits(im *impact.Image) error {
	if im.ShmSize != "" {
		if err := new(opts.MemBytes).Set(im.ShmSize); err != nil {
			return fmt.Errorf("shm-size: %w", err)
		}
	}
	limits := opts.NewUlimitOpt(nil)
	for _, u := range im.Ulimits {
		if err := limits.Set(u); err != nil {
			return fmt.Errorf("ulimits: %w", err)
		}
	}
	return nil
}

// clientFiles sets what the build's client reads from disk or environment.
func (at place) clientFiles(im *impact.Image, t *bake.Target) {
	for _, s := range t.Secrets {
		c := *s
		c.FilePath = at.absolute(at.base, c.FilePath)
		im.Secrets = append(im.Secrets, c.String())
	}
	for _, s := range t.SSH {
		c := buildflags.SSH{ID: s.ID}
		for _, p := range s.Paths {
			c.Paths = append(c.Paths, at.absolute(at.base, p))
		}
		im.SSH = append(im.SSH, c.String())
	}
	im.CacheFrom = at.caches(t.CacheFrom, "src")
	im.CacheTo = at.caches(t.CacheTo, "dest")
}

// caches words cache options, with the folder of a local cache made absolute.
func (at place) caches(entries buildflags.CacheOptions, folder string) []string {
	var out []string
	for _, e := range entries {
		c := buildflags.CacheOptionsEntry{Type: e.Type, Attrs: map[string]string{}}
		for k, v := range e.Attrs {
			if k == folder && e.Type == "local" {
				v = at.absolute(at.base, v)
			}
			c.Attrs[k] = v
		}
		out = append(out, c.String())
	}
	return out
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// values drops what is null: to bake, that is not given.
func values(m map[string]*string) map[string]string {
	var out map[string]string
	for k, v := range m {
		if v == nil {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[k] = *v
	}
	return out
}
