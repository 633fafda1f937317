package catalog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"rebuild/impact"
)

// defaultPlatform is the variable with which docker build and compose choose a platform
// where nothing else does; bake does not know it.
const defaultPlatform = "DOCKER_DEFAULT_PLATFORM"

// platform is the service's own, or that of the environment (compose cmd/compose
// applyPlatforms).
func (p *project) platform(s types.ServiceConfig) string {
	if s.Platform != "" {
		return s.Platform
	}
	v, _ := p.env.value(defaultPlatform)
	return v
}

// separator stands between the names of a project and a service (compose cmd/compose
// ToProject).
func (p *project) separator() string {
	v, _ := p.env.value("COMPOSE_COMPATIBILITY")
	v = strings.ToLower(strings.TrimSpace(v))
	if compatible, err := strconv.ParseBool(v); v == "y" || err == nil && compatible {
		return "_"
	}
	return "-"
}

// refused says why a service cannot be built as it is defined, for what compose refuses
// too and bake would not see.
func (p *project) refused(s types.ServiceConfig) *impact.Fault {
	platform := p.platform(s)
	if len(s.Build.Platforms) == 0 || platform == "" || slices.Contains(s.Build.Platforms, platform) {
		return nil
	}
	what := "its platform " + platform
	if s.Platform == "" {
		what = defaultPlatform + "=" + platform
	}
	return p.places[s.Name].fault("%s is none of its build's platforms: %s", what, strings.Join(s.Build.Platforms, ", "))
}

// untaken says what of a project's builds is not taken: by nobody, or by bake alone.
func (p *project) untaken(raw map[string]any) []string {
	var out []string
	say := func(at, format string, args ...any) {
		f := &impact.Fault{Path: p.path, Cause: at} // for the place alone
		p.place(f)
		out = append(out, block{path: f.Path, line: f.Line}.where()+": "+fmt.Sprintf(format, args...))
	}
	for _, name := range sortedKeys(p.model.Services) {
		b := p.model.Services[name].Build
		if b == nil {
			continue
		}
		at := "services." + name + ".build."
		if b.Isolation != "" && b.Isolation != "default" {
			say(at+"isolation", "service %s: BuildKit knows no isolation, so %s is left out", name, b.Isolation)
		}
		if _, ok := b.Extensions["x-bake"]; ok {
			say(at+"x-bake", "service %s: x-bake is read by bake alone, so it is left out here", name)
		}
		for _, ref := range b.Secrets {
			if def := p.model.Secrets[ref.Source]; def.File == "" && def.Environment == "" {
				say(at+"secrets", "service %s: secret %s has neither a file nor an environment, so it is not mounted", name, ref.Source)
			}
		}
	}
	jobs, _ := raw["jobs"].(map[string]any)
	for _, name := range sortedKeys(jobs) {
		if job, ok := jobs[name].(map[string]any); ok && job["build"] != nil {
			say("jobs."+name, "job %s: the build of a job is not read: only those of services are", name)
		}
	}
	return out
}
