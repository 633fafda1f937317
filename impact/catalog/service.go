package catalog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"rebuild/impact"
	"rebuild/impact/spelling"
)

// servicesSuffix ends the name of the file that bake is given for the services of
// compose files.
const servicesSuffix = " services.json"

// built is an image of a compose project: the services that share a build.
type built struct {
	name     string   // as bake allows it
	services []string // by the order of their definitions
	fields   map[string]any
	tags     []string
	active   bool // one of its services is in no profile, or in an active one
	fault    *impact.Fault
}

// targetName is a service's name as bake words it (buildx sanitizeTargetName).
func targetName(service string) string { return strings.ReplaceAll(service, ".", "_") }

// images merges the services that have one build into one image each. It has the
// name of the first and the tags of all. A service with a tag that is none stays alone,
// so that the others can be built.
func (p *project) images() ([]built, error) {
	names := slices.SortedFunc(maps.Keys(p.model.Services), p.compare)
	owner := map[string]string{} // service -> name of its image
	byBuild := map[string]int{}
	var out []built
	for _, name := range names {
		s := p.model.Services[name]
		if s.Build == nil {
			continue
		}
		fields, fault := p.fields(s), p.refused(s)
		same, err := json.Marshal([]any{fields, fault})
		if err != nil {
			return nil, p.places[name].fault("%v", err)
		}
		tags := p.tags(s)
		if slices.ContainsFunc(tags, notTag) {
			same = append(same, name...)
		}
		i, ok := byBuild[string(same)]
		if !ok {
			if i := slices.IndexFunc(out, func(b built) bool { return b.name == targetName(name) }); i >= 0 {
				return nil, p.places[name].fault("its image would have the name of that of %s", out[i].services[0])
			}
			i = len(out)
			byBuild[string(same)] = i
			out = append(out, built{name: targetName(name), fields: fields, fault: fault})
		}
		b := &out[i]
		b.services = append(b.services, name)
		b.active = b.active || p.active(s)
		for _, tag := range literalsOf(tags) {
			if !slices.Contains(b.tags, tag) {
				b.tags = append(b.tags, tag)
			}
		}
		owner[name] = b.name
	}
	for i := range out {
		p.link(&out[i], owner)
	}
	return out, nil
}

// link turns the contexts that are services into those of their images.
func (p *project) link(b *built, owner map[string]string) {
	contexts, _ := b.fields["contexts"].(map[string]string)
	for _, key := range sortedKeys(contexts) {
		name, ok := strings.CutPrefix(contexts[key], types.ServicePrefix)
		if !ok {
			continue
		}
		if image, ok := owner[name]; ok {
			contexts[key] = "target:" + image
			continue
		}
		at := p.places[b.services[0]]
		if _, known := p.model.Services[name]; known {
			b.fault = at.fault("additional context %q: service %s has no build", key, name)
		} else {
			b.fault = at.fault("additional context %q: unknown service %q%s", key, name, spelling.DidYouMean(name, sortedKeys(p.model.Services)))
		}
		return
	}
}

func (p *project) compare(a, b string) int {
	at := func(name string) (int, int) {
		place := p.places[name]
		file := slices.IndexFunc(p.sources, func(s source) bool { return s.path == place.path })
		if file < 0 {
			file = len(p.sources)
		}
		return file, place.line
	}
	fileA, lineA := at(a)
	fileB, lineB := at(b)
	return cmp.Or(cmp.Compare(fileA, fileB), cmp.Compare(p.places[a].path, p.places[b].path), cmp.Compare(lineA, lineB), cmp.Compare(a, b))
}

func (p *project) active(s types.ServiceConfig) bool {
	return len(s.Profiles) == 0 || slices.Contains(p.profiles, "*") ||
		slices.ContainsFunc(s.Profiles, func(profile string) bool { return slices.Contains(p.profiles, profile) })
}

// tags are the names under which compose keeps a service's image (compose
// pkg/api GetImageNameOrDefault): the first is image, or project and service.
func (p *project) tags(s types.ServiceConfig) []string {
	name := s.Image
	if name == "" {
		name = p.name + p.separator() + s.Name
	}
	return append([]string{name}, s.Build.Tags...)
}

func notTag(s string) bool {
	_, err := normalise(s)
	return err != nil
}

// fields words a build as bake does (buildx bake.ParseCompose), with paths of the
// model.
func (p *project) fields(s types.ServiceConfig) map[string]any {
	b := s.Build
	out := map[string]any{}
	text := func(key, v string) {
		if v != "" {
			out[key] = literal(v)
		}
	}
	texts := func(key string, list []string) {
		if len(list) > 0 {
			out[key] = literalsOf(list)
		}
	}
	out["context"] = literal(p.local(b.Context))
	if b.Context == "" {
		out["context"] = literal(p.local(p.model.WorkingDir))
	}
	text("dockerfile", p.dockerfile(b.Dockerfile))
	text("dockerfile-inline", b.DockerfileInline)
	text("target", b.Target)
	text("network", b.Network)
	texts("cache-from", b.CacheFrom)
	texts("cache-to", b.CacheTo)
	texts("no-cache-filter", b.NoCacheFilter)
	texts("entitlements", entitled(b))
	texts("attest", attests(b))
	texts("platforms", p.platforms(s))
	if args := p.args(b.Args); len(args) > 0 {
		out["args"] = args
	}
	if len(b.Labels) > 0 {
		out["labels"] = literalMap(b.Labels)
	}
	if len(b.AdditionalContexts) > 0 {
		contexts := map[string]string{}
		for name, v := range b.AdditionalContexts {
			contexts[literal(name)] = literal(p.local(v))
		}
		out["contexts"] = contexts
	}
	if b.NoCache {
		out["no-cache"] = true
	}
	if b.Pull {
		out["pull"] = true
	}
	if b.ShmSize > 0 {
		out["shm-size"] = fmt.Sprint(int64(b.ShmSize))
	}
	if limits := ulimits(b.Ulimits); len(limits) > 0 {
		out["ulimits"] = limits
	}
	if len(b.ExtraHosts) > 0 {
		hosts := map[string]string{}
		for host, at := range b.ExtraHosts {
			hosts[literal(host)] = literal(strings.Join(at, ","))
		}
		out["extra-hosts"] = hosts
	}
	p.credentials(b, out)
	return out
}

// entitled are a build's entitlements, with that which privileged stands for (compose
// pkg/compose doBuildBake).
func entitled(b *types.BuildConfig) []string {
	const insecure = "security.insecure"
	if b.Privileged && !slices.Contains(b.Entitlements, insecure) {
		return append(slices.Clone(b.Entitlements), insecure)
	}
	return b.Entitlements
}

// attests words a build's attestations (compose pkg/compose toBakeAttest).
func attests(b *types.BuildConfig) []string {
	var out []string
	for _, a := range []struct{ kind, v string }{{"provenance", b.Provenance}, {"sbom", b.SBOM}} {
		switch a.v {
		case "", "false":
		case "true":
			out = append(out, "type="+a.kind)
		default:
			out = append(out, "type="+a.kind+","+a.v)
		}
	}
	return out
}

// local turns one of compose-go's paths into the model's; what is no local path
// stays.
func (p *project) local(v string) string {
	if !filepath.IsAbs(v) {
		return v
	}
	return p.mirror.model(v)
}

// dockerfile is relative to the context unless it is absolute; one in the tree is
// worded as such, for bake to find it without the context.
func (p *project) dockerfile(v string) string {
	if !filepath.IsAbs(v) {
		return v
	}
	return "cwd://" + p.mirror.model(v)
}

// platforms of a build are its own, or that of the service.
func (p *project) platforms(s types.ServiceConfig) []string {
	if platform := p.platform(s); len(s.Build.Platforms) == 0 && platform != "" {
		return []string{platform}
	}
	return s.Build.Platforms
}

// args drops those without a value: they are taken from the environment.
func (p *project) args(args types.MappingWithEquals) map[string]string {
	out := map[string]string{}
	for name, v := range args {
		if v != nil {
			out[literal(name)] = literal(*v)
		} else if v, ok := p.env.used(name); ok {
			out[literal(name)] = literal(v)
		}
	}
	return out
}

func (p *project) credentials(b *types.BuildConfig, out map[string]any) {
	var keys, secrets []map[string]any
	for _, k := range b.SSH {
		key := map[string]any{"id": k.ID}
		if k.Path != "" {
			key["paths"] = []string{literal(p.local(k.Path))}
		}
		keys = append(keys, key)
	}
	for _, s := range b.Secrets {
		def := p.model.Secrets[s.Source]
		if def.File == "" && def.Environment == "" {
			continue // nor does compose mount it
		}
		secret := map[string]any{"id": literal(cmp.Or(s.Target, s.Source))}
		if def.File != "" {
			secret["src"] = literal(p.local(def.File))
		}
		if def.Environment != "" {
			secret["env"] = literal(def.Environment)
		}
		secrets = append(secrets, secret)
	}
	if len(keys) > 0 {
		slices.SortFunc(keys, func(a, b map[string]any) int { return strings.Compare(a["id"].(string), b["id"].(string)) })
		out["ssh"] = keys
	}
	if len(secrets) > 0 {
		out["secret"] = secrets
	}
}

func ulimits(limits map[string]*types.UlimitsConfig) []string {
	var out []string
	for _, name := range sortedKeys(limits) {
		switch u := limits[name]; {
		case u == nil:
		case u.Single != 0:
			out = append(out, fmt.Sprintf("%s=%d", name, u.Single))
		default:
			out = append(out, fmt.Sprintf("%s=%d:%d", name, u.Soft, u.Hard))
		}
	}
	return out
}

func literalsOf(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = literal(s)
	}
	return out
}

func literalMap(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[literal(k)] = literal(v)
	}
	return out
}

// services are a project's images as bake is given them.
type services struct {
	source source
	places map[string]block         // by image
	faults map[string]*impact.Fault // of images that bake cannot tell to be wrong
}

// bakeFile words the project's images as a bake file, with the places of their
// services. A service whose image has another's name is a group, so that it can
// be asked for; where a profile is not active, the default group holds the rest.
func (p *project) bakeFile() (services, error) {
	images, err := p.images()
	if err != nil {
		return services{}, err
	}
	if len(images) == 0 {
		return services{}, &imageless{path: p.path, why: "none of its services has a build"}
	}
	var b bytes.Buffer
	out := services{places: map[string]block{}, faults: map[string]*impact.Fault{}}
	groups := map[string]any{}
	var active []string
	b.WriteString(`{"target":{`)
	for i, im := range images {
		if i > 0 {
			b.WriteByte(',')
		}
		im.fields["tags"] = im.tags
		b.Write(quoteJSON(im.name))
		b.WriteByte(':')
		fields, err := json.Marshal(im.fields)
		if err != nil {
			return services{}, p.places[im.services[0]].fault("%v", err)
		}
		b.Write(fields)
		out.places[im.name] = p.places[im.services[0]]
		if im.fault != nil {
			out.faults[im.name] = im.fault
		}
		for _, s := range im.services[1:] {
			groups[targetName(s)] = map[string]any{"targets": []string{im.name}}
		}
		if im.active {
			active = append(active, im.name)
		}
	}
	b.WriteByte('}')
	named := slices.ContainsFunc(images, func(b built) bool { return b.name == "default" })
	if len(active) > 0 && len(active) < len(images) && !named {
		groups["default"] = map[string]any{"targets": active}
	}
	if len(groups) > 0 {
		dt, err := json.Marshal(groups)
		if err != nil {
			return services{}, err
		}
		b.WriteString(`,"group":`)
		b.Write(dt)
	}
	b.WriteByte('}')
	out.source = source{path: p.path + servicesSuffix, data: b.Bytes()}
	return out, nil
}
