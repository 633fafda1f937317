package docker

import (
	"context"
	"fmt"
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
)

// attachables are what the engine may ask of us while it builds: credentials,
// secrets and ssh agents.
func (e *Engine) attachables(req *Request, write func(*client.SolveStatus)) ([]session.Attachable, error) {
	auth := authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
		AuthConfigProvider: authprovider.LoadAuthConfig(e.config),
	})
	if logs, ok := auth.(interface{ SetLogger(progresswriter.Logger) }); ok {
		logs.SetLogger(write) // it calls the logger unasked, and has none by itself
	}
	list := []session.Attachable{auth}

	specs, err := buildflags.ParseSecretSpecs(req.Image.Secrets)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	if len(specs) > 0 {
		var sources []secretsprovider.Source
		given := givenSecrets{values: map[string]string{}}
		for _, s := range specs.Normalize() {
			s = s.ResolveSource()
			if v, ok := req.Image.SecretEnv[s.Env]; ok && s.Env != "" {
				given.values[s.ID] = v
				continue
			}
			sources = append(sources, secretsprovider.Source{ID: s.ID, FilePath: req.path(s.FilePath), Env: s.Env})
		}
		if given.SecretStore, err = secretsprovider.NewStore(sources); err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}
		list = append(list, secretsprovider.NewSecretProvider(given))
	}

	keys, err := buildflags.ParseSSHSpecs(req.Image.SSH)
	if err != nil {
		return nil, fmt.Errorf("ssh: %w", err)
	}
	if len(keys) > 0 {
		var agents []sshprovider.AgentConfig
		for _, k := range buildflags.SSHKeys(keys).Normalize() {
			paths := make([]string, len(k.Paths))
			for i, p := range k.Paths {
				paths[i] = req.path(p)
			}
			agents = append(agents, sshprovider.AgentConfig{ID: k.ID, Paths: paths})
		}
		agent, err := sshprovider.NewSSHAgentProvider(agents)
		if err != nil {
			return nil, fmt.Errorf("ssh: %w", err)
		}
		list = append(list, agent)
	}
	return list, nil
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

// caches reads cache-from and cache-to; what the engine does not take is left
// out, with a warning.
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
	if from, err = read("cache-from", req.Image.CacheFrom, configStoreImports); err != nil {
		return nil, nil, nil, err
	}
	if to, err = read("cache-to", req.Image.CacheTo, configStoreExports); err != nil {
		return nil, nil, nil, err
	}
	if on := req.Image.Args["BUILDKIT_INLINE_CACHE"]; on == "1" || on == "true" {
		to = append(to, client.CacheOptionsEntry{Type: "inline", Attrs: map[string]string{}})
	}
	return from, to, warnings, nil
}
