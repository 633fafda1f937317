package catalog

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	composeschema "github.com/compose-spec/compose-go/v2/schema"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"

	"rebuild/impact"
)

// project is a compose project as compose-go resolves it.
type project struct {
	path     string // of its first file
	name     string
	sources  []source
	raw      map[string]any // what images are made of, paths absolute
	model    *types.Project
	mirror   *mirror
	env      *environment
	profiles []string
	warnings []string
	places   map[string]block // of services, by name
	roots    map[string]*yaml.Node

	secretEnv map[string]string // see impact.Image.SecretEnv
}

// projectKeys are the parts of a compose file that images are made of. The rest
// is neither read nor judged, as in bake (buildx bake.loadComposeFiles), so that
// a file for a newer compose is understood.
var (
	projectKeys = []string{"services", "secrets"}
	serviceKeys = []string{"image", "build", "dockerfile", "environment", "env_file", "platform", "profiles", "x-rebuild"}
)

// readProject resolves compose files whose project has its folder at dir.
func readProject(ctx context.Context, r *reader, files []source, dir string, env *environment) (p *project, err error) {
	p = &project{path: files[0].path, sources: files, env: env, mirror: newMirror(r.paths), places: map[string]block{}, roots: map[string]*yaml.Node{}}
	defer func() {
		// Neither compose-go nor the YAML parsers are ours, and the text may be anyone's.
		if v := recover(); v != nil {
			p, err = nil, &impact.Fault{Path: files[0].path, Cause: fmt.Sprintf("compose cannot evaluate this definition: %v", v)}
		}
	}()
	before := len(r.names)
	for _, src := range files {
		p.locate(src)
	}
	defer p.mirror.close()
	p.mirror.lacking = slices.ContainsFunc(files, refersToOthers)
	for {
		if p.mirror.lacking {
			if err := p.mirrored(ctx, r, dir); err != nil {
				return nil, err
			}
		}
		err := p.load(ctx, r, dir)
		var outside *OutsideError
		switch {
		case err == nil:
		case p.mirror.lacking:
			continue
		case errors.As(err, &outside):
			return nil, namedAt(outside, p.path, 0)
		default:
			if more, failed := p.mirror.supply(ctx, r, err, dir, p.path); failed != nil {
				return nil, failed
			} else if !more {
				return nil, p.fault(err)
			}
			continue
		}
		break
	}
	for _, name := range r.names[before:] { // for the places of their services
		if src, ok, err := r.try(ctx, name); err == nil && ok && path.Base(name) != ".env" {
			p.locate(src)
		}
	}
	return p, nil
}

// mirrored puts the files of a project, and what they name in plain words, where compose-go
// finds them.
func (p *project) mirrored(ctx context.Context, r *reader, dir string) error {
	p.mirror.close()
	if err := p.mirror.open(); err != nil {
		return fmt.Errorf("compose files of %s: %w", dir, err)
	}
	for _, src := range p.sources {
		if err := p.mirror.put(ctx, r, src, dir); err != nil {
			return err
		}
	}
	return nil
}

func refersToOthers(src source) bool { return len(references(src.data)) > 0 || mentionsOthers(src) }

// mentionsOthers is for what a plain look at a file misses, a merge key say.
func mentionsOthers(src source) bool {
	return strings.Contains(string(src.data), "extends") || strings.Contains(string(src.data), "include:")
}

// load asks compose-go once.
func (p *project) load(ctx context.Context, r *reader, dir string) error {
	environment := map[string]string{}
	for _, name := range []string{"HOME", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"} {
		p.env.mentioned(environment, []byte(name))
	}
	details := types.ConfigDetails{WorkingDir: p.mirror.host(dir), Environment: environment}
	for _, src := range p.sources {
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: p.mirror.host(src.path), Content: src.data})
	}
	for _, name := range append(r.names, pathsOf(p.sources)...) {
		if src, ok, err := r.try(ctx, name); err == nil && ok {
			p.env.mentioned(environment, src.data)
		}
	}
	missing := map[string]bool{}
	casts := p.mirror.casts(ctx, r, dir)
	options := func(o *loader.Options) {
		o.SkipValidation, o.SkipNormalization, o.SkipConsistencyCheck = true, true, true
		o.SkipResolveEnvironment, o.SkipResolveLabels = true, true
		o.Profiles = []string{"*"}
		o.Interpolate.TypeCastMapping = maps.Clone(o.Interpolate.TypeCastMapping) // it is everybody's
		maps.Copy(o.Interpolate.TypeCastMapping, casts)
		o.Interpolate.Substitute = func(text string, lookup template.Mapping) (string, error) {
			return substitute(text, lookup, missing, p.env.given)
		}
		o.SetProjectName(p.nameFor(dir, environment))
	}
	raw, err := loader.LoadModelWithContext(ctx, details, options)
	if err != nil {
		return err
	}
	known := keep(raw)
	p.raw = clonedMap(known)
	if err := composeschema.Validate(known); err != nil {
		return err
	}
	opts := loader.ToOptions(&details, []func(*loader.Options){options})
	if p.model, err = loader.ModelToProject(known, opts, details); err != nil {
		return err
	}
	p.name = details.Environment["COMPOSE_PROJECT_NAME"]
	p.model.Name, p.model.Environment = p.name, details.Environment
	for name := range strings.SplitSeq(environment["COMPOSE_PROFILES"], ",") {
		p.profiles = append(p.profiles, strings.TrimSpace(name))
	}
	p.warnings = p.untaken(raw)
	p.takeSecrets(missing)
	for _, name := range sortedKeys(missing) {
		p.warnings = append(p.warnings, fmt.Sprintf("%s: the variable %s is not set: it counts as empty", p.path, name))
	}
	return nil
}

// takeSecrets looks up the variables that the builds' secrets are taken from. One that
// has no value is empty, as compose hands it on (compose pkg/compose toBakeSecrets);
// those are added to missing.
func (p *project) takeSecrets(missing map[string]bool) {
	p.secretEnv = map[string]string{}
	for _, s := range p.model.Services {
		if s.Build == nil {
			continue
		}
		for _, ref := range s.Build.Secrets {
			name := p.model.Secrets[ref.Source].Environment
			if _, ok := p.env.lookup(name); ok || name == "" {
				continue
			}
			v, ok := p.env.value(name)
			if !ok {
				missing[name] = true
			}
			p.secretEnv[name] = v
			p.env.given.secret(name, v)
		}
	}
}

// nameFor gives the name of the project: that of the environment, else the files'
// own, else the folder's (compose-go cli.ProjectOptions).
func (p *project) nameFor(dir string, environment map[string]string) (name string, explicit bool) {
	if name := environment["COMPOSE_PROJECT_NAME"]; name != "" {
		return name, true
	}
	at := path.Base(path.Join(p.mirror.paths.root, dir))
	if isAbs(dir) {
		at = path.Base(dir)
	}
	return cmp.Or(loader.NormalizeProjectName(at), "default"), false
}

// substitute is compose's interpolation, which keeps what is missing instead of
// writing it to a log, and notes the values.
func substitute(text string, lookup template.Mapping, missing map[string]bool, values *given) (string, error) {
	return template.SubstituteWithOptions(text, func(name string) (string, bool) {
		v, ok := lookup(name)
		if ok {
			values.note(name, v)
		}
		if !ok && (strings.Contains(text, "${"+name+"}") || bare(text, name)) {
			missing[name] = true
		}
		return v, ok
	}, template.WithoutLogging)
}

// bare tells whether a text has the variable without braces.
func bare(text, name string) bool {
	for _, v := range plainVariable.FindAllStringSubmatch(text, -1) {
		if v[1] == name {
			return true
		}
	}
	return false
}

var plainVariable = regexp.MustCompile(`\$([A-Za-z_][A-Za-z0-9_]*)`)

// keep gives what of a model images are made of.
func keep(raw map[string]any) map[string]any {
	out := map[string]any{}
	for _, key := range projectKeys {
		if v, ok := raw[key]; ok {
			out[key] = v
		}
	}
	services, ok := out["services"].(map[string]any)
	if !ok {
		return out
	}
	kept := map[string]any{}
	for name, v := range services {
		service, ok := v.(map[string]any)
		if !ok && v != nil {
			kept[name] = v // for the schema to refuse
			continue
		}
		fields := map[string]any{}
		for _, key := range serviceKeys {
			if f, ok := service[key]; ok {
				fields[key] = f
			}
		}
		kept[name] = fields
	}
	out["services"] = kept
	return out
}

func pathsOf(files []source) []string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = f.path
	}
	return out
}

// locate takes up the places of a file's services.
func (p *project) locate(src source) {
	if _, ok := p.roots[src.path]; ok {
		return
	}
	p.roots[src.path] = nil
	dec := yaml.NewDecoder(bytes.NewReader(src.data))
	for {
		var doc yaml.Node
		if dec.Decode(&doc) != nil || len(doc.Content) == 0 {
			return // compose-go says what is wrong
		}
		if p.roots[src.path] == nil {
			p.roots[src.path] = doc.Content[0]
		}
		services := field(doc.Content[0], "services")
		if services == nil {
			continue
		}
		services = dealias(services)
		for i := 0; i+1 < len(services.Content); i += 2 {
			name := services.Content[i].Value
			if _, ok := p.places[name]; !ok {
				p.places[name] = block{kind: "service", name: name, path: src.path, line: services.Content[i].Line}
			}
		}
	}
}

// modelPath is where in a compose file an error says it is.
var modelPath = regexp.MustCompile(`\b(services|secrets|jobs|include|name)([.\[][^\s:'"]+)?`)

// extending finds the services of compose-go's word for a circle of them.
var extending = regexp.MustCompile(`(\S+) in \S+`)

var quotedService = regexp.MustCompile(`\bservice "([^"]+)"`)

// fault places an error of compose-go's.
func (p *project) fault(err error) error {
	var required *template.MissingRequiredError
	text := p.mirror.worded(message(err))
	f := &impact.Fault{Path: p.path, Cause: text, Line: yamlLine(text)}
	for _, src := range p.sources {
		if strings.Contains(text, src.path) {
			f.Path = src.path
		}
	}
	if names := extending.FindAllStringSubmatch(text, -1); strings.Contains(text, "circular reference:") && names != nil {
		// compose-go begins with any of them.
		circle := map[string]bool{}
		for _, m := range names {
			circle[m[1]] = true
		}
		f.Cause = "services extend each other in a circle: " + strings.Join(sortedKeys(circle), ", ")
		f.Line = p.places[sortedKeys(circle)[0]].line
		return f
	}
	f.Cause = strings.TrimPrefix(f.Cause, "failed to parse "+f.Path+": ")
	f.Cause = strings.Replace(f.Cause, " false schema", " is not allowed", 1) // of a key that the schema does not have
	if f.Line == 0 {
		p.place(f)
	}
	if errors.As(err, &required) {
		f.Hint = "set it: export " + required.Variable + "=..., or give it in " + path.Join(path.Dir(p.path), ".env")
	}
	return f
}

// place seeks the line that an error is about in the files that have it.
func (p *project) place(f *impact.Fault) {
	at := modelPath.FindString(f.Cause)
	if at == "" {
		if m := quotedService.FindStringSubmatch(f.Cause); m != nil && p.places[m[1]].path != "" {
			f.Path, f.Line = p.places[m[1]].path, p.places[m[1]].line
		}
		return
	}
	best := 0
	for i := len(p.sources) - 1; i >= 0; i-- {
		src := p.sources[i]
		if line := lineOf(p.roots[src.path], at); line > best {
			best, f.Path, f.Line = line, src.path, line
		}
	}
}
