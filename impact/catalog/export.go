package catalog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/buildx/bake"
	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"

	"rebuild/impact"
)

// imageOutputs are the types of an output that are an image under its tags.
var imageOutputs = []string{"image", "registry", "docker"}

func isImage(o *buildflags.ExportEntry) bool {
	return slices.Contains(imageOutputs, o.Type) && o.Destination == "" && o.Attrs["context"] == ""
}

// pushing are the attributes of an output that say whether and how it is pushed, which
// --push decides here.
var pushing = []string{"push", "push-by-digest"}

// setExport takes up what the outputs say of the image itself. As in buildx, its name
// counts where there are no tags (build.toSolveOpt).
func setExport(im *impact.Image, outputs buildflags.Exports) {
	tagged := len(im.Tags) > 0
	for _, o := range outputs {
		if !isImage(o) {
			continue
		}
		for key, v := range o.Attrs {
			switch {
			case key == "name" && !tagged:
				for name := range strings.SplitSeq(v, ",") {
					if !slices.Contains(im.Tags, name) {
						im.Tags = append(im.Tags, name)
					}
				}
			case key == "name", slices.Contains(pushing, key):
			default:
				if im.Export == nil {
					im.Export = map[string]string{}
				}
				im.Export[key] = v
			}
		}
	}
}

// setManifest takes up what goes with the image beside its layers and config.
func setManifest(im *impact.Image, t *bake.Target) error {
	attests := t.Attest.ToMap()
	for _, kind := range sortedKeys(attests) {
		if v := attests[kind]; v != nil { // nil: disabled
			im.Attest = append(im.Attest, *v)
		}
	}
	if _, err := buildflags.ParseAnnotations(t.Annotations); err != nil {
		return fmt.Errorf("annotations: %w", err)
	}
	im.Annotations = slices.Clone(t.Annotations)
	return nil
}

// setResources words what each step may use as the frontend has it (buildx
// build.addResourceLimits).
func setResources(im *impact.Image, r *buildflags.ResourcesConfig) error {
	limits, err := build.ParseResourceLimits(r.ToEntries())
	if err != nil {
		return fmt.Errorf("resources: %w", err)
	}
	set := func(name, v string, given bool) {
		if !given {
			return
		}
		if im.Resources == nil {
			im.Resources = map[string]string{}
		}
		im.Resources[name] = v
	}
	number := func(name string, n int64, given bool) { set(name, strconv.FormatInt(n, 10), given) }
	number("memory", limits.Memory.Value(), limits.Memory.Value() > 0)
	number("memswap", limits.MemorySwap.Value(), limits.MemorySwap.Value() != 0)
	number("cpushares", limits.CPUShares, limits.CPUShares > 0)
	number("cpuperiod", limits.CPUPeriod, limits.CPUPeriod > 0)
	number("cpuquota", limits.CPUQuota, limits.CPUQuota > 0)
	set("cpusetcpus", limits.CPUSetCPUs, limits.CPUSetCPUs != "")
	set("cpusetmems", limits.CPUSetMems, limits.CPUSetMems != "")
	return nil
}

// checkPolicy refuses a policy that would not be applied: it may forbid what would be
// built.
func checkPolicy(im *impact.Image, list buildflags.PolicyConfigs) error {
	im.Unpoliced = slices.ContainsFunc(list, func(p buildflags.PolicyConfig) bool { return p.Disabled })
	if len(list) == 0 || im.Unpoliced {
		return nil
	}
	return fmt.Errorf("a policy is applied by buildx alone: build it with docker buildx bake, or take the policy out")
}

// unserved collects what targets ask for beside an image, each thing once.
type unserved struct {
	what    []string
	at      map[string]block    // the first target
	targets map[string][]string // all of them
}

// take takes up what a target asks for that is no image. It is built as an image all the
// same.
func (u *unserved) take(t *bake.Target, at block) {
	add := func(format string, args ...any) {
		what := fmt.Sprintf(format, args...) + "\x00" + at.path // apart for each file
		if u.at == nil {
			u.at, u.targets = map[string]block{}, map[string][]string{}
		}
		if _, ok := u.at[what]; !ok {
			u.at[what] = at
			u.what = append(u.what, what)
		}
		u.targets[what] = append(u.targets[what], t.Name)
	}
	if call := value(t.Call); call != "" && call != "build" {
		add("call %q is not served: the image is built", call)
	}
	pushes := false
	for _, o := range t.Outputs {
		push, err := strconv.ParseBool(o.Attrs["push"])
		switch {
		case !isImage(o):
			add("output of type %s is not written: the image is built", o.Type)
		case o.Type == "registry", push && err == nil:
			pushes = true
		}
	}
	if pushes {
		add("pushed with --push only")
	}
}

// named is how many targets a warning names.
const named = 3

func (u *unserved) words() []string {
	var out []string
	for _, what := range u.what {
		names := u.targets[what]
		who := "target " + names[0]
		if len(names) > 1 {
			who = "targets " + strings.Join(names[:min(named, len(names))], ", ")
		}
		if len(names) > named {
			who += fmt.Sprintf(" and %d more", len(names)-named)
		}
		text, _, _ := strings.Cut(what, "\x00")
		out = append(out, fmt.Sprintf("%s: %s: %s", u.at[what].where(), who, text))
	}
	return out
}
