package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
)

// selfContained turns compose files that bake merges with its own into one that
// needs no other file: bake would seek what they include or extend, their
// environment files and .env on the disk, in the folder of the process. dir is the
// folder that bake's paths count from.
func selfContained(ctx context.Context, r *reader, files []source, dir string, opt Options) ([]source, error) {
	if len(files) == 0 {
		return files, nil
	}
	_, dotenv, err := r.tryDotenv(ctx, dir)
	if err != nil {
		return nil, err
	}
	needed := dotenv
	for _, src := range files {
		needed = needed || refersToOthers(src) || bytes.Contains(src.data, []byte("env_file"))
	}
	if !needed {
		return files, nil
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
	for _, s := range services {
		if service, ok := s.(map[string]any); ok {
			p.relocate(service["build"], dir, "context")
			if build, ok := service["build"].(map[string]any); ok {
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
