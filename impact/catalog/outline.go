package catalog

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/docker/buildx/bake"
	"github.com/hashicorp/hcl/v2"

	"rebuild/impact"
)

// outline is where the blocks of bake's files are, which bake itself forgets.
type outline struct {
	targets   []block
	groups    []block
	variables []string
	excess    *impact.Fault // there is more of something than is read

	names  map[string]string // path of a file -> its name for bake
	paths  map[string]string // and back
	byName map[string]int    // target -> index in targets

	written map[string]map[string]block // file of ours -> target -> where the user wrote it
}

// block is the place of one block; its zero value is no place.
type block struct {
	kind string // "target", "group"; "image" for those of rebuild.yaml
	name string
	path string
	line int
}

// where is its file, with the line where that is known.
func (b block) where() string {
	if b.line == 0 {
		return b.path
	}
	return fmt.Sprintf("%s:%d", b.path, b.line)
}

// fault is an error of the block.
func (b block) fault(format string, args ...any) *impact.Fault {
	cause := fmt.Sprintf("%s %s: ", b.kind, b.name) + fmt.Sprintf(format, args...)
	return &impact.Fault{Path: b.path, Line: b.line, Cause: cause}
}

// name gives the name under which bake is given a file. With
// BUILDX_BAKE_FILE_RELATIVE_PATHS bake takes its folder for the base of paths,
// so it counts from the folder that bake's paths count from.
func (o *outline) name(src source, base string) string {
	name := src.path
	if rel, err := filepath.Rel(filepath.FromSlash(base), filepath.FromSlash(src.path)); err == nil {
		name = filepath.ToSlash(rel)
	}
	if o.names == nil {
		o.names, o.paths = map[string]string{}, map[string]string{}
	}
	o.names[src.path], o.paths[name] = name, src.path
	return name
}

// blockTypes are the blocks of a bake file with a label.
var blockTypes = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "target", LabelNames: []string{"name"}},
	{Type: "group", LabelNames: []string{"name"}},
	{Type: "variable", LabelNames: []string{"name"}},
}}

// add takes up the blocks of a file. What cannot be parsed is left for bake to
// report.
func (o *outline) add(name string, src source) {
	file, ok, err := bake.ParseHCLFile(src.data, name)
	if !ok || err != nil || file == nil {
		return
	}
	content, _, _ := file.Body.PartialContent(blockTypes)
	if content == nil {
		return
	}
	count := map[string]int{}
	for _, b := range content.Blocks {
		if len(b.Labels) != 1 {
			continue
		}
		at := block{kind: b.Type, name: b.Labels[0], path: src.path, line: b.LabelRanges[0].Start.Line}
		place := at
		if user, ok := o.written[at.path][at.name]; ok && b.Type == "target" {
			place = user
		}
		if count[b.Type]++; count[b.Type] > maxBlocks {
			o.excess = tooMany(place, place.kind+"s")
			return
		}
		switch b.Type {
		case "target":
			if n := combinations(b.Body); n > maxBlocks {
				o.excess = place.fault("its matrix makes more than %d targets", maxBlocks)
				return
			}
			if o.byName == nil {
				o.byName = map[string]int{}
			}
			if _, ok := o.byName[at.name]; !ok {
				o.byName[at.name] = len(o.targets)
				o.targets = append(o.targets, place)
			}
		case "group":
			o.groups = append(o.groups, at)
		case "variable":
			o.variables = append(o.variables, at.name)
		}
	}
}

// worded says where the user wrote the targets of a file that is ours.
func (o *outline) worded(path string, places map[string]block) {
	if o.written == nil {
		o.written = map[string]map[string]block{}
	}
	o.written[path] = places
}

// expanded takes up the names that targets with a matrix got.
func (o *outline) expanded(renamed map[string][]string) {
	for label, names := range renamed {
		i, ok := o.byName[label]
		if !ok {
			continue
		}
		for _, name := range names {
			if _, ok := o.byName[name]; !ok {
				o.byName[name] = i
			}
		}
	}
}

// target gives the place of a target.
func (o *outline) target(name string) block {
	if i, ok := o.byName[name]; ok {
		at := o.targets[i]
		at.name = name // of a matrix, its own
		return at
	}
	return block{kind: "target", name: name}
}

// group gives the place of a group.
func (o *outline) group(name string) block {
	if i := slices.IndexFunc(o.groups, func(b block) bool { return b.name == name }); i >= 0 {
		return o.groups[i]
	}
	return block{kind: "group", name: name}
}

// compare orders targets: those of compose first, as in bake, then by the
// order of the blocks; those of one matrix by name.
func (o *outline) compare(a, b string) int {
	return cmp.Or(cmp.Compare(o.index(a), o.index(b)), cmp.Compare(a, b))
}

func (o *outline) index(name string) int {
	if i, ok := o.byName[name]; ok {
		return i
	}
	return -1
}

// jsonSuffix ends the name of a variable that gives another one its value in JSON (buildx
// bake/hclparser).
const jsonSuffix = "_JSON"

// values looks up the variables of the files, for a caller that has an
// environment of its own; bake sees that of the process by itself.
func (o *outline) values(env func(string) (string, bool)) map[string]string {
	if env == nil {
		return nil
	}
	vars := map[string]string{}
	for _, name := range o.variables {
		for _, key := range []string{name, name + jsonSuffix} {
			if v, ok := env(key); ok {
				vars[key] = v
			}
		}
	}
	return vars
}
