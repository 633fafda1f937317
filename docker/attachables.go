package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"

	buildx "github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/secrets"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	"github.com/moby/buildkit/util/progress/progresswriter"

	"rebuild/impact"
)

// attachables are what the engine may ask of us while it builds: credentials,
// secrets and ssh agents, of the image and of those that it stands on.
func (e *Engine) attachables(reqs []*Request, write func(*client.SolveStatus)) ([]session.Attachable, error) {
	auth := authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
		AuthConfigProvider: authprovider.LoadAuthConfig(e.config),
	})
	if logs, ok := auth.(interface{ SetLogger(progresswriter.Logger) }); ok {
		logs.SetLogger(write) // it calls the logger unasked, and has none by itself
	}
	list := []session.Attachable{auth}

	sources, given, err := secretSources(reqs)
	if err != nil {
		return nil, err
	}
	if len(sources)+len(given) > 0 {
		store, err := secretsprovider.NewStore(sources)
		if err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}
		list = append(list, secretsprovider.NewSecretProvider(givenSecrets{store, given}))
	}
	agents, err := sshAgents(reqs)
	if err != nil {
		return nil, err
	}
	if len(agents) > 0 {
		agent, err := sshprovider.NewSSHAgentProvider(agents)
		if err != nil {
			return nil, fmt.Errorf("ssh: %w", err)
		}
		list = append(list, agent)
	}
	return list, nil
}

// secretSources are where secrets come from, and the values of those that are at hand, by
// id. A build has one for an id, so an image and what it stands on must mean the same.
func secretSources(reqs []*Request) (sources []secretsprovider.Source, given map[string]string, err error) {
	type named struct {
		secretsprovider.Source
		value string
		at    bool // hand
		by    string
	}
	byID := map[string]named{}
	for _, req := range reqs {
		specs, err := buildflags.ParseSecretSpecs(req.Image.Secrets)
		if err != nil {
			return nil, nil, fmt.Errorf("secret: %w", err)
		}
		for _, s := range specs.Normalize() {
			s = s.ResolveSource()
			n := named{Source: secretsprovider.Source{ID: s.ID, FilePath: req.path(s.FilePath), Env: s.Env}, by: req.Image.Name}
			if v, ok := req.Image.SecretEnv[s.Env]; ok && s.Env != "" {
				n.value, n.at = v, true
			}
			if other, ok := byID[s.ID]; ok && other.by != n.by {
				if other.Source != n.Source || other.value != n.value {
					return nil, nil, ambiguousID("secret", s.ID, other.by, n.by)
				}
				continue
			}
			byID[s.ID] = n
		}
	}
	given = map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		if n := byID[id]; n.at {
			given[id] = n.value
		} else {
			sources = append(sources, n.Source)
		}
	}
	return sources, given, nil
}

// sshAgents are the agents and keys by id, as secretSources.
func sshAgents(reqs []*Request) ([]sshprovider.AgentConfig, error) {
	var agents []sshprovider.AgentConfig
	by := map[string]string{}
	for _, req := range reqs {
		keys, err := buildflags.ParseSSHSpecs(req.Image.SSH)
		if err != nil {
			return nil, fmt.Errorf("ssh: %w", err)
		}
		for _, k := range buildflags.SSHKeys(keys).Normalize() {
			agent := sshprovider.AgentConfig{ID: k.ID, Paths: make([]string, len(k.Paths))}
			for i, p := range k.Paths {
				agent.Paths[i] = req.path(p)
			}
			at := slices.IndexFunc(agents, func(a sshprovider.AgentConfig) bool { return a.ID == k.ID })
			switch {
			case at < 0:
				agents, by[k.ID] = append(agents, agent), req.Image.Name
			case !slices.Equal(agents[at].Paths, agent.Paths):
				return nil, ambiguousID("ssh key", k.ID, by[k.ID], req.Image.Name)
			}
		}
	}
	return agents, nil
}

func ambiguousID(what, id, image, ancestor string) error {
	return &impact.Fault{
		Cause: fmt.Sprintf("%s and %s, which it is built on, have different sources for the %s %s, and a builder makes both in one build", image, ancestor, what, id),
		Hint:  "give them different ids, or build on an engine: without --builder and BUILDX_BUILDER",
	}
}

// givenSecrets are secrets whose values are at hand, and a store of the others.
type givenSecrets struct {
	secrets.SecretStore
	values map[string]string // by id
}

// GetSecret implements secrets.SecretStore.
func (g givenSecrets) GetSecret(ctx context.Context, id string) ([]byte, error) {
	if v, ok := g.values[id]; ok {
		return []byte(v), nil
	}
	return g.SecretStore.GetSecret(ctx, id)
}

// An engine that keeps images by config, not by manifest, takes cache from
// registries and folders, and gives it only inline (buildx's driver.CacheExport).
var (
	configStoreImports = []string{"registry", "local"}
	configStoreExports = []string{"inline"}
)

// caches reads cache-from, also of what the image stands on, and cache-to; what the engine
// does not take is left out, with a warning.
func caches(req *Request, manifestStore bool) (from, to []client.CacheOptionsEntry, warnings []string, err error) {
	read := func(field string, specs, taken []string) ([]client.CacheOptionsEntry, error) {
		entries, err := buildflags.ParseCacheEntry(specs)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
		var list []client.CacheOptionsEntry
		for _, entry := range entries {
			if !manifestStore && !slices.Contains(taken, entry.Type) {
				warnings = append(warnings, fmt.Sprintf("%s type=%s: this engine does not take it, so it is left out", field, entry.Type))
				continue
			}
			for _, key := range []string{"src", "dest"} {
				if dir, ok := entry.Attrs[key]; ok && entry.Type == "local" {
					entry.Attrs[key] = req.path(dir)
				}
			}
			// With the token of GitHub and the credentials of AWS, as buildx has them. The
			// cache of GitHub is there for its runners alone.
			active := buildx.CreateCaches([]*buildflags.CacheOptionsEntry{entry})
			if len(active) == 0 {
				warnings = append(warnings, fmt.Sprintf("%s type=%s: there is none here, so it is left out", field, entry.Type))
			}
			list = append(list, active...)
		}
		return list, nil
	}
	for _, r := range req.withAncestors() {
		list, err := read("cache-from", r.Image.CacheFrom, configStoreImports)
		if err != nil {
			return nil, nil, nil, err
		}
		from = append(from, list...)
	}
	if to, err = read("cache-to", req.Image.CacheTo, configStoreExports); err != nil {
		return nil, nil, nil, err
	}
	if on := req.Image.Args["BUILDKIT_INLINE_CACHE"]; on == "1" || on == "true" {
		to = append(to, client.CacheOptionsEntry{Type: "inline", Attrs: map[string]string{}})
	}
	return from, to, warnings, nil
}
