package docker

import (
	"fmt"
	"slices"

	"github.com/docker/buildx/util/buildflags"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
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

	secrets, err := buildflags.ParseSecretSpecs(req.Image.Secrets)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	if len(secrets) > 0 {
		var sources []secretsprovider.Source
		for _, s := range secrets.Normalize() {
			s = s.ResolveSource()
			sources = append(sources, secretsprovider.Source{ID: s.ID, FilePath: req.path(s.FilePath), Env: s.Env})
		}
		store, err := secretsprovider.NewStore(sources)
		if err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}
		list = append(list, secretsprovider.NewSecretProvider(store))
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
			list = append(list, client.CacheOptionsEntry{Type: entry.Type, Attrs: entry.Attrs})
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
