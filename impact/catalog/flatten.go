package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"go.yaml.in/yaml/v3"
)

// selfContained turns compose files that bake merges with its own into one that
// needs no other file and no variable: bake would seek what they include or extend, their
// environment files and .env on the disk, in the folder of the process. dir is the
// folder that bake's paths count from.
func selfContained(ctx context.Context, r *reader, files []source, dir string, opt Options) ([]source, error) {
	if len(files) == 0 {
		return files, nil
	}
	for _, src := range files {
		r.left = append(r.left, leftByBake(src)...)
	}
	env, err := bakeEnvironment(ctx, r, dir, opt)
	if err != nil {
		return nil, err
	}
	p, err := readProject(ctx, r, files, dir, env)
	if err != nil {
		return nil, err
	}
	services, _ := p.raw["services"].(map[string]any)
	for name, s := range services {
		if service, ok := s.(map[string]any); ok {
			if err := p.resolveEnvironment(ctx, r, name, service); err != nil {
				return nil, err
			}
			p.relocate(service["build"], dir, "context")
			if build, ok := service["build"].(map[string]any); ok {
				p.resolveArgs(name, service, build)
				p.relocateAll(build["additional_contexts"], dir)
			}
		}
	}
	secrets, _ := p.raw["secrets"].(map[string]any)
	for _, s := range secrets {
		p.relocate(s, dir, "file")
	}
	data, err := json.Marshal(doubled(p.raw))
	if err != nil {
		return nil, p.fault(err)
	}
	return []source{{path: files[0].path, data: data}}, nil // JSON is YAML
}

// resolveEnvironment gives a service the variables of its environment files, out of which
// bake fills arguments without a value.
func (p *project) resolveEnvironment(ctx context.Context, r *reader, name string, service map[string]any) error {
	delete(service, "env_file")
	s := p.model.Services[name]
	if len(s.EnvFiles) == 0 || s.Build == nil {
		return nil
	}
	vars := map[string]string{}
	lookup := func(name string) (string, bool) {
		if v, ok := p.env.value(name); ok {
			return v, true
		}
		v := s.Environment[name]
		return value(v), v != nil
	}
	for _, file := range s.EnvFiles {
		at := p.mirror.model(file.Path)
		src, ok, err := r.tryEnvFile(ctx, at)
		if err != nil {
			return namedAt(err, p.places[name].path, p.places[name].line)
		}
		if !ok {
			if file.Required {
				return missing(p.places[name].fault("env_file: no such file: %s", at))
			}
			continue
		}
		data := bytes.NewReader(bytes.TrimPrefix(src.data, byteOrderMark))
		if err := dotenv.ParseWithFormat(data, at, vars, lookup, file.Format); err != nil {
			return dotenvFault(src, err)
		}
	}
	all := map[string]any{}
	for k, v := range vars {
		p.env.given.note(k, v)
		all[k] = v
	}
	for k, v := range s.Environment {
		if v != nil {
			all[k] = *v
		} else if v, ok := p.env.used(k); ok {
			all[k] = v
		}
	}
	service["environment"] = all
	return nil
}

// resolveArgs gives the arguments without a value that of the service's environment, else
// that of the project's (buildx bake.ParseCompose). One that has none is not given.
func (p *project) resolveArgs(name string, service, build map[string]any) {
	s := p.model.Services[name]
	if s.Build == nil || len(s.Build.Args) == 0 {
		return
	}
	environment, _ := service["environment"].(map[string]any)
	args := map[string]any{}
	for k, v := range s.Build.Args {
		if v != nil {
			args[k] = *v
		} else if v, ok := environment[k].(string); ok && len(s.EnvFiles) > 0 {
			args[k] = v
		} else if v := s.Environment[k]; v != nil {
			args[k] = *v
		} else if v, ok := p.env.used(k); ok {
			args[k] = v
		}
	}
	build["args"] = args
}

// notBakes are the fields of a service and of its build that bake does not take from a
// compose file (buildx bake.ParseCompose).
var notBakes = map[string][]string{
	"":      {"platform"},
	"build": {"entitlements", "isolation", "no_cache_filter", "privileged"},
}

// leftByBake says what of a compose file bake does not take, where a bake file stands
// beside it.
func leftByBake(src source) (out []string) {
	defer func() {
		if recover() != nil { // the YAML parser's, on text that may be anyone's
			out = nil
		}
	}()
	var doc yaml.Node
	if yaml.Unmarshal(src.data, &doc) != nil || len(doc.Content) == 0 {
		return nil // bake says what is wrong
	}
	services := field(doc.Content[0], "services")
	if services == nil {
		return nil
	}
	services = dealias(services)
	for i := 0; i+1 < len(services.Content); i += 2 {
		service := services.Content[i+1]
		if field(service, "build") == nil {
			continue
		}
		for _, in := range sortedKeys(notBakes) {
			at := service
			if in != "" {
				at = field(service, in)
			}
			for _, key := range notBakes[in] {
				if n := field(at, key); n != nil {
					where := block{path: src.path, line: n.Line}.where()
					out = append(out, fmt.Sprintf("%s: service %s: bake does not take %s from a compose file", where, services.Content[i].Value, strings.TrimPrefix(in+"."+key, ".")))
				}
			}
		}
	}
	return out
}

// beside does the same for compose files among others.
func beside(ctx context.Context, r *reader, files []source, dir string, opt Options) ([]source, error) {
	var compose, rest []source
	for _, src := range files {
		if kindOf(src) == composeKind {
			compose = append(compose, src)
		} else {
			rest = append(rest, src)
		}
	}
	compose, err := selfContained(ctx, r, compose, dir, opt)
	return append(compose, rest...), err
}

// relocate words a path of a mapping from a folder.
func (p *project) relocate(mapping any, dir, key string) {
	m, ok := mapping.(map[string]any)
	if !ok {
		return
	}
	if v, ok := m[key].(string); ok && filepath.IsAbs(v) {
		m[key] = where{dir}.path(p.mirror.model(v))
	}
}

func (p *project) relocateAll(mapping any, dir string) {
	m, ok := mapping.(map[string]any)
	if !ok {
		return
	}
	for key := range m {
		p.relocate(m, dir, key)
	}
}

// doubled escapes the dollars of values that are interpolated once more.
func doubled(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "$", "$$")
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = doubled(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = doubled(e)
		}
		return out
	}
	return v
}

// clonedMap copies a tree of values.
func clonedMap(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = cloned(v)
	}
	return out
}

func cloned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return clonedMap(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = cloned(e)
		}
		return out
	}
	return v
}
