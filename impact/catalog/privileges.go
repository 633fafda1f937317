package catalog

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/buildx/bake"
	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/entitlements"

	"rebuild/impact"
)

// Place is where an image's paths count from, as paths of the system.
type Place struct {
	Root string // of the repository: what lies in it may be read and written
	Dir  string // from which secrets, keys and caches count
}

// Privileges are what a build of an image takes that is not its repository's and that no
// plain build has, and that is not among what is given: files and folders outside, ssh
// keys, the host's network, devices. They are sorted, and in the grammar of bake's --allow
// ("fs.read=/home/me/.netrc", "network.host", "ssh"); so is what is given, with relative
// paths counting from the working folder of the process. Which there are, and what covers
// them, says bake's own code (bake/entitlements.go). The error says what in given, or in
// the definition, is not understood.
func Privileges(im impact.Image, at Place, given []string) ([]string, error) {
	conf, err := bake.ParseEntitlements(given)
	if err != nil {
		return nil, err
	}
	conf.FSRead, conf.FSWrite = append(conf.FSRead, at.Root), append(conf.FSWrite, at.Root)
	opt, err := handedOver(im, at)
	if err != nil {
		return nil, err
	}
	lacking, err := conf.Validate(map[string]build.Options{im.Name: opt})
	if err != nil {
		return nil, err
	}
	var list []string
	add := func(key bake.EntitlementKey, values ...string) {
		for _, v := range values {
			list = append(list, string(key)+"="+v)
		}
	}
	if lacking.NetworkHost {
		list = append(list, string(bake.EntitlementKeyNetworkHost))
	}
	if lacking.SecurityInsecure {
		list = append(list, string(bake.EntitlementKeySecurityInsecure))
	}
	if lacking.SSH {
		list = append(list, string(bake.EntitlementKeySSH))
	}
	if d := lacking.Devices; d != nil && (conf.Devices == nil || !conf.Devices.All) {
		if d.All {
			list = append(list, string(bake.EntitlementKeyDevice))
		}
		for name := range d.Devices { // bake lists those too that are given
			if conf.Devices == nil || !contains(conf.Devices.Devices, name) {
				add(bake.EntitlementKeyDevice, name)
			}
		}
	}
	add(bake.EntitlementKeyFSRead, lacking.FSRead...)
	add(bake.EntitlementKeyFSWrite, lacking.FSWrite...)
	slices.Sort(list)
	return list, nil
}

func contains(set map[string]struct{}, name string) bool {
	_, ok := set[name]
	return ok
}

// handedOver says what a build is handed, in buildx's words.
func handedOver(im impact.Image, at Place) (build.Options, error) {
	file := func(slash string) string {
		if !isAbs(slash) { // from a tree, which no symlink leads out of
			return at.Root
		}
		return filepath.FromSlash(slash)
	}
	opt := build.Options{Allow: slices.Clone(im.Entitlements)}
	if host := entitlements.EntitlementNetworkHost.String(); im.Network == "host" && !slices.Contains(opt.Allow, host) {
		opt.Allow = append(opt.Allow, host)
	}
	opt.Inputs = build.Inputs{ContextPath: im.RemoteContext, DockerfilePath: at.Root, NamedContexts: map[string]build.NamedContext{}}
	if im.RemoteContext == "" {
		opt.Inputs.ContextPath = file(im.Context)
	}
	if im.ReadsDockerfile() && im.Inline == "" {
		opt.Inputs.DockerfilePath = file(im.Dockerfile)
	}
	for _, c := range im.Contexts {
		switch {
		case c.Dir != "":
			opt.Inputs.NamedContexts[c.Name] = build.NamedContext{Path: file(c.Dir)}
		case c.URL != "":
			opt.Inputs.NamedContexts[c.Name] = build.NamedContext{Path: c.URL}
		}
	}
	secrets, err := buildflags.ParseSecretSpecs(im.Secrets)
	if err != nil {
		return opt, err
	}
	for _, s := range secrets.Normalize() {
		from := *s.ResolveSource()
		if from.FilePath != "" {
			from.FilePath = absolute(at.Dir, from.FilePath)
		}
		opt.SecretSpecs = append(opt.SecretSpecs, &from)
	}
	keys, err := buildflags.ParseSSHSpecs(im.SSH)
	if err != nil {
		return opt, err
	}
	for _, k := range keys {
		key := *k
		key.Paths = slices.Clone(k.Paths)
		for i, p := range key.Paths {
			key.Paths[i] = absolute(at.Dir, p)
		}
		opt.SSHSpecs = append(opt.SSHSpecs, &key)
	}
	if len(keys) == 0 && buildflags.IsGitSSH(im.RemoteContext) {
		opt.SSHSpecs = []*buildflags.SSH{{ID: "default"}}
	}
	if opt.CacheFrom, err = cacheFolders(im.CacheFrom, at.Dir, "src"); err != nil {
		return opt, err
	}
	opt.CacheTo, err = cacheFolders(im.CacheTo, at.Dir, "dest")
	return opt, err
}

// cacheFolders are the caches of a list that lie in folders. The attribute names the folder.
func cacheFolders(list []string, dir, attribute string) ([]client.CacheOptionsEntry, error) {
	parsed, err := buildflags.ParseCacheEntry(list)
	if err != nil {
		return nil, err
	}
	var out []client.CacheOptionsEntry
	for _, c := range parsed {
		if folder := c.Attrs[attribute]; c.Type == "local" && folder != "" {
			attrs := maps.Clone(c.Attrs)
			attrs[attribute] = absolute(dir, folder)
			out = append(out, client.CacheOptionsEntry{Type: c.Type, Attrs: attrs})
		}
	}
	return out, nil
}

func absolute(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// SecretVariables are the environment variables that a build of an image is handed as
// secrets, sorted.
func SecretVariables(im impact.Image) []string {
	specs, err := buildflags.ParseSecretSpecs(im.Secrets)
	if err != nil {
		return nil // the build says so
	}
	var names []string
	for _, s := range specs.Normalize() {
		if name := strings.TrimSpace(s.ResolveSource().Env); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
