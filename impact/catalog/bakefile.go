package catalog

import (
	"bytes"
	"encoding/json"
	"path"
	"strings"

	"github.com/docker/buildx/util/buildflags"

	"rebuild/impact"
)

// BakeTarget is an image for BakeFile, with what only its layers tell.
type BakeTarget struct {
	Image   impact.Image
	Parents []impact.Parent // images of the catalog that it reads

	// Text is the Dockerfile with substitutions made, for an image that has some;
	// bake knows none.
	Text string
}

// BakeFile words images as a bake file. Each in-repo parent is a named context of
// its dependents ("target:x"), so that bake builds the graph in the right order.
// Local paths count from dir, a folder of the tree; group is what bake builds
// unasked.
func BakeFile(targets []BakeTarget, group []string, dir string) ([]byte, error) {
	file := bakeFile{Group: map[string]bakeGroup{"default": {Targets: group}}, Target: map[string]map[string]any{}}
	here := where{dir}
	for _, t := range targets {
		file.Target[t.Image.Name] = here.target(t)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(file)
	return b.Bytes(), err
}

type bakeFile struct {
	Group  map[string]bakeGroup      `json:"group"`
	Target map[string]map[string]any `json:"target"`
}

type bakeGroup struct {
	Targets []string `json:"targets"`
}

// where is the folder that paths count from.
type where struct{ dir string }

// path words a path of the model.
func (w where) path(p string) string {
	if isAbs(p) || w.dir == "." || w.dir == "" {
		return p
	}
	return pathFrom(w.dir, p)
}

// pathFrom leads from one folder of the tree to a path of it.
func pathFrom(dir, p string) string {
	up := ""
	for at := dir; ; at = path.Dir(at) {
		switch {
		case at == ".":
			return path.Clean(up + p)
		case p == at:
			return path.Clean(up + ".")
		case strings.HasPrefix(p, at+"/"):
			return path.Clean(up + p[len(at)+1:])
		}
		up += "../"
	}
}

func (w where) target(t BakeTarget) map[string]any {
	im := t.Image
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
	pairs := func(key string, m map[string]string) {
		if len(m) > 0 {
			out[key] = literalMap(m)
		}
	}
	switch {
	case im.RemoteContext != "":
		text("context", im.RemoteContext)
		if im.LocalDockerfile {
			text("dockerfile", "cwd://"+w.path(im.Dockerfile))
		} else {
			text("dockerfile", im.Dockerfile)
		}
	case t.Text != "" || im.Inline != "":
		text("context", w.path(im.Context))
	default:
		text("context", w.path(im.Context))
		text("dockerfile", w.dockerfile(im))
	}
	if t.Text != "" {
		text("dockerfile-inline", t.Text)
	} else {
		text("dockerfile-inline", im.Inline)
	}
	text("target", im.Target)
	text("network", im.Network)
	text("shm-size", im.ShmSize)
	texts("tags", im.Tags)
	texts("platforms", platformsOf(im))
	texts("no-cache-filter", im.NoCacheFor)
	texts("ulimits", im.Ulimits)
	texts("secret", im.Secrets)
	texts("ssh", im.SSH)
	texts("cache-from", im.CacheFrom)
	texts("cache-to", im.CacheTo)
	texts("entitlements", im.Entitlements)
	texts("attest", im.Attest)
	texts("annotations", im.Annotations)
	if len(im.Export) > 0 {
		texts("output", []string{(&buildflags.ExportEntry{Type: "image", Attrs: im.Export}).String()})
	}
	if len(im.Resources) > 0 {
		out["resources"] = bakeResources(im.Resources)
	}
	pairs("args", im.Args)
	pairs("labels", im.Labels)
	pairs("extra-hosts", im.ExtraHosts)
	pairs("contexts", w.contexts(t))
	if im.NoCache {
		out["no-cache"] = true
	}
	if im.Pull {
		out["pull"] = true
	}
	return out
}

// bakeResources gives resources the names and types that bake has for them.
func bakeResources(attrs map[string]string) map[string]any {
	names := map[string]string{"memory": "memory", "memswap": "memory-swap", "cpusetcpus": "cpuset-cpus", "cpusetmems": "cpuset-mems"}
	numbers := map[string]string{"cpushares": "cpu-shares", "cpuperiod": "cpu-period", "cpuquota": "cpu-quota"}
	out := map[string]any{}
	for attr, v := range attrs {
		if name, ok := numbers[attr]; ok {
			out[name] = json.Number(v)
		} else {
			out[names[attr]] = v
		}
	}
	return out
}

// dockerfile is relative to the context where it lies in it, else to the folder
// that bake starts in.
func (w where) dockerfile(im impact.Image) string {
	switch {
	case isAbs(im.Dockerfile) || isURL(im.Dockerfile):
		return im.Dockerfile
	case im.Context == "." || strings.HasPrefix(im.Dockerfile, im.Context+"/"):
		return relative(im.Context, im.Dockerfile)
	}
	return "cwd://" + w.path(im.Dockerfile)
}

func platformsOf(im impact.Image) []string {
	var out []string
	for _, p := range im.Platforms {
		if p == "" {
			p = "local"
		}
		out = append(out, p)
	}
	return out
}

// contexts are the named contexts of an image, those that are images of the catalog
// turned into targets, and its other parents.
func (w where) contexts(t BakeTarget) map[string]string {
	out := map[string]string{}
	covered := map[string]bool{} // references of parents
	for _, c := range t.Image.Contexts {
		switch {
		case c.Image != "":
			out[c.Name] = "target:" + c.Image
		case c.Ref != "":
			out[c.Name] = "docker-image://" + c.Ref
		case c.Dir != "":
			out[c.Name] = w.path(c.Dir)
		default:
			out[c.Name] = c.URL
		}
		for _, p := range t.Parents {
			if c.Image == p.Image || c.Ref != "" && canonical(c.Ref) == p.Ref {
				out[c.Name] = "target:" + p.Image
				covered[p.Ref] = true
			}
		}
	}
	for _, p := range t.Parents {
		if name, err := contextName(p.Ref); err == nil && !covered[p.Ref] {
			out[name] = "target:" + p.Image
		}
	}
	return out
}
