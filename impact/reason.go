package impact

import (
	"context"
	"slices"
	"strings"
)

// ReasonKind says what caused a rebuild.
type ReasonKind string

// The kinds of reasons, and the fields of a Reason that they set. All but the last
// six set Layer, where the cause reaches one.
const (
	ReasonFile       ReasonKind = "file"       // a file that a layer reads: Path, Change ("" when it is not known)
	ReasonDockerfile ReasonKind = "dockerfile" // the Dockerfile's text: Path, or Fault when it cannot be built now
	ReasonIgnore     ReasonKind = "ignore"     // the ignore file changed what a layer reads: Path
	ReasonArg        ReasonKind = "arg"        // a build argument: Arg, Change; Old and New where values are shown
	ReasonConfig     ReasonKind = "config"     // the definition: Field, Old, New
	ReasonParent     ReasonKind = "parent"     // an in-repo image that it reads: Image
	ReasonBase       ReasonKind = "base"       // an external base moved: Image
	ReasonMissing    ReasonKind = "missing"    // not in the engine: Missing, Ref
	ReasonNew        ReasonKind = "new"        // not in the baseline
	ReasonFailed     ReasonKind = "failed"     // its last build failed
	ReasonForced     ReasonKind = "forced"     // asked for
)

// ConfigField names what of an image's definition changed.
type ConfigField string

// The fields of a definition that a reason can name.
const (
	FieldOther      ConfigField = ""    // a label, a named context, a platform, ...
	FieldTag        ConfigField = "tag" // New: a tag that the baseline does not have
	FieldDockerfile ConfigField = "dockerfile"
	FieldContext    ConfigField = "context"
	FieldTarget     ConfigField = "target"
)

// MissingKind says in which way an image is not in the engine.
type MissingKind string

// The ways in which an image is not in the engine.
const (
	TagAbsent  MissingKind = "tag-absent"  // there is none of that tag
	ImageGone  MissingKind = "image-gone"  // what the last build made
	TagGone    MissingKind = "tag-gone"    // the image is there without it
	TagMoved   MissingKind = "tag-moved"   // the tag is another image's
	OtherFiles MissingKind = "other-files" // the image was last built from other files
)

// Missing is what the engine lacks of an image.
type Missing struct {
	Kind MissingKind
	Ref  string // the tag; "" when it is not about one
}

// Reason is one cause of a rebuild, as data: the words are made by who prints it.
// Which fields are set depends on the kind.
type Reason struct {
	Kind    ReasonKind  `json:"kind"`
	Path    string      `json:"path,omitempty"`
	Change  ChangeKind  `json:"change,omitempty"`
	Layer   int         `json:"layer,omitempty"` // index of the first layer that it invalidates
	Image   string      `json:"image,omitempty"`
	Arg     string      `json:"arg,omitempty"`
	Field   ConfigField `json:"field,omitempty"`
	Old     *string     `json:"old,omitempty"` // nil: there was none
	New     *string     `json:"new,omitempty"` // nil: there is none
	Missing MissingKind `json:"missing,omitempty"`
	Ref     string      `json:"ref,omitempty"`
	Fault   *Fault      `json:"fault,omitempty"` // why it cannot be built now
}

// comparison decides image by image.
type comparison struct {
	Inputs
	keys    map[Digest]bool // of all layers of the baseline
	changed map[string]Change
}

func newComparison(in Inputs) *comparison {
	c := &comparison{Inputs: in, keys: map[Digest]bool{}, changed: map[string]Change{}}
	for _, st := range in.Baseline.States {
		for _, l := range st.Layers {
			c.keys[l.Key] = true
		}
	}
	return c
}

func (c *comparison) changes() []Change {
	out := make([]Change, 0, len(c.changed))
	for _, ch := range c.changed {
		out = append(out, ch)
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// image decides on one image. Each exit from it names its reason.
func (c *comparison) image(ctx context.Context, name string) ImagePlan {
	b, t := c.Baseline.States[name], c.Target.States[name]
	ip := ImagePlan{
		Name: name, Tags: t.Tags, Action: Keep, Reasons: []Reason{}, Parents: c.Target.ParentsOf(name), Err: t.Err,
		Judged: !t.Unjudged, Assumed: t.Assumed, Values: c.Target.Catalog.Values,
	}
	index := c.layers(&ip, t)
	switch {
	case b == nil:
		ip.Reasons = append(ip.Reasons, Reason{Kind: ReasonNew})
	case t.Output != b.Output || t.Config != b.Config || t.Err != nil && b.Err == nil || t.unread:
		ip.Reasons = append(ip.Reasons, c.explain(ctx, b, t, index)...)
		ip.Unsure = t.OwnOutput == b.OwnOutput && t.Config == b.Config && (t.Err == nil) == (b.Err == nil)
	}
	if b != nil {
		for _, tag := range t.Tags {
			if !slices.Contains(b.Tags, tag) {
				ip.Reasons = append(ip.Reasons, Reason{Kind: ReasonConfig, Field: FieldTag, New: &tag})
			}
		}
	}
	if m, ok := c.Facts.Missing[name]; ok && b != nil {
		ip.Reasons = append(ip.Reasons, Reason{Kind: ReasonMissing, Missing: m.Kind, Ref: m.Ref})
	}
	if parent, ok := c.Facts.Moved[name]; ok && b != nil {
		r := Reason{Kind: ReasonParent, Image: parent}
		if !slices.ContainsFunc(ip.Reasons, func(o Reason) bool { return o.Kind == r.Kind && o.Image == r.Image }) {
			ip.Reasons = append(ip.Reasons, r)
		}
	}
	if c.Facts.Failed[name] {
		ip.Reasons = append(ip.Reasons, Reason{Kind: ReasonFailed})
	}
	if c.Facts.Forced[name] {
		ip.Reasons = append(ip.Reasons, Reason{Kind: ReasonForced})
	}
	if b != nil && t.Output == b.Output && t.Config != b.Config {
		ip.OnlyConfig = true
	}
	if len(ip.Reasons) > 0 {
		ip.Action = Rebuild
		c.withoutCache(&ip, t, index)
	}
	return ip
}

// withoutCache marks the layers that are built without the cache: they run
// whenever the image is built, whatever it is rebuilt for.
func (c *comparison) withoutCache(ip *ImagePlan, t *State, index []int) {
	for i, l := range t.Layers {
		if (l.Always || c.Facts.NoCache) && l.step() {
			ip.Layers[index[i]-1].State = Invalidated
		}
	}
}

// layers fills in what a build will do with each layer, and gives the index of
// each layer of the state, 0 for those that are not listed.
func (c *comparison) layers(ip *ImagePlan, t *State) []int {
	ip.Layers = []LayerPlan{}
	index := make([]int, len(t.Layers))
	for i, l := range t.Layers {
		if !l.Listed() {
			continue
		}
		lp := LayerPlan{
			Index: len(ip.Layers) + 1, Stage: l.Stage, Dockerfile: l.File, Line: l.Line, Instruction: l.Instruction,
			State: Cached, Link: l.Link, Name: l.Name, Op: l.Op, Step: l.step(),
		}
		if !c.keys[l.Key] {
			lp.State = Invalidated
		}
		index[i] = lp.Index
		ip.Layers = append(ip.Layers, lp)
	}
	return index
}

// explain finds the causes of a difference between two states of an image.
func (c *comparison) explain(ctx context.Context, b, t *State, index []int) []Reason {
	e := &explanation{c: c, b: b, t: t, used: make([]bool, len(b.Layers))}
	for i, old := range b.Layers {
		e.used[i] = slices.ContainsFunc(t.Layers, func(l StateLayer) bool { return l.Key == old.Key })
	}
	for i, l := range t.Layers {
		if !l.Listed() && l.Op != Everything || c.inBaseline(b, l.Key) {
			continue
		}
		e.layer(ctx, l, index[i])
	}
	if len(e.reasons) == 0 || t.Config != b.Config {
		e.text(0)
	}
	if t.Unjudged {
		e.parents(0)
	}
	if len(e.reasons) == 0 && t.Err != nil {
		e.add(Reason{Kind: ReasonDockerfile, Path: t.Err.Path, Fault: t.Err})
	}
	if len(e.reasons) == 0 { // the definition's parts that no field names
		e.add(Reason{Kind: ReasonConfig})
	}
	return e.reasons
}

func (c *comparison) inBaseline(b *State, key Digest) bool {
	return slices.ContainsFunc(b.Layers, func(l StateLayer) bool { return l.Key == key })
}

// explanation collects the reasons of one image, each once, in the order in
// which they are met.
type explanation struct {
	c       *comparison
	b, t    *State
	used    []bool // layers of the baseline that have a counterpart
	reasons []Reason
}

func (e *explanation) add(r Reason) {
	same := func(o Reason) bool { // the values follow from these: all are of one pair of states
		return o.Kind == r.Kind && o.Path == r.Path && o.Image == r.Image && o.Arg == r.Arg && o.Field == r.Field
	}
	if !slices.ContainsFunc(e.reasons, same) {
		e.reasons = append(e.reasons, r)
	}
}

// layer explains one layer that the image did not have.
func (e *explanation) layer(ctx context.Context, l StateLayer, index int) {
	if l.From != "" {
		e.from(l, index)
		return
	}
	old, ok := e.counterpart(l)
	if !ok {
		e.text(index)
		return
	}
	for i, r := range l.Reads {
		if i < len(old.Reads) && old.Reads[i].Digest != r.Digest {
			e.read(ctx, old.Reads[i], r, index)
		}
	}
}

// counterpart is the baseline's layer with the same operation that is not
// another's: the first with the same selections, else the first.
func (e *explanation) counterpart(l StateLayer) (StateLayer, bool) {
	found := -1
	for i, old := range e.b.Layers {
		if e.used[i] || old.Op != l.Op || len(old.Reads) != len(l.Reads) {
			continue
		}
		if found < 0 {
			found = i
		}
		if slices.EqualFunc(old.Reads, l.Reads, func(a, b StateRead) bool { return a.Context == b.Context && a.Path == b.Path }) {
			found = i
			break
		}
	}
	if found < 0 {
		return StateLayer{}, false
	}
	e.used[found] = true
	return e.b.Layers[found], true
}

// from explains an image that a layer takes.
func (e *explanation) from(l StateLayer, index int) {
	// The operation holds the platform: another one is not the same image changed.
	taken := slices.ContainsFunc(e.b.Layers, func(old StateLayer) bool { return old.From == l.From && old.Op == l.Op })
	for _, p := range e.t.Parents {
		if p.Ref == l.From {
			if taken || e.changed(p) {
				e.add(Reason{Kind: ReasonParent, Image: p.Image, Layer: index})
			}
			if !taken || !slices.Contains(e.b.Parents, p) {
				e.text(index)
			}
			return // what else the layer does is the parent's
		}
	}
	if taken {
		e.add(Reason{Kind: ReasonBase, Image: l.From, Layer: index})
		return
	}
	e.text(index)
}

// text explains a layer, or the image's config (index 0), by what the operation
// is made from: the Dockerfile, the arguments, the definition or, when all of
// those are the same, the config of an image that it is built on.
func (e *explanation) text(index int) {
	b, t := e.b.Def, e.t.Def
	written := false // in what the operation is made from, perhaps for an earlier layer
	add := func(r Reason) {
		written = true
		e.add(r)
	}
	if b.Text != t.Text && b.Dockerfile == t.Dockerfile {
		add(Reason{Kind: ReasonDockerfile, Path: e.t.DockerfileName(), Layer: index})
	}
	for _, name := range changedArgs(b.Args, t.Args) {
		add(e.c.arg(name, b.Args, t.Args, index))
	}
	for _, f := range []struct {
		field    ConfigField
		old, new string
	}{
		{FieldDockerfile, e.b.DockerfileName(), e.t.DockerfileName()}, {FieldContext, b.Context, t.Context}, {FieldTarget, b.Target, t.Target},
	} {
		if f.old != f.new {
			add(Reason{Kind: ReasonConfig, Field: f.field, Layer: index, Old: &f.old, New: &f.new})
		}
	}
	if b.Rest != t.Rest {
		add(Reason{Kind: ReasonConfig, Layer: index})
	}
	if written || len(e.reasons) > 0 && index == 0 {
		return
	}
	e.parents(index)
	for _, base := range e.t.Bases {
		if !slices.Contains(e.b.Bases, base) {
			e.add(Reason{Kind: ReasonBase, Image: base.Ref, Layer: index})
		}
	}
}

// parents names the parents that are not what they were.
func (e *explanation) parents(index int) {
	for _, p := range e.t.Parents {
		if e.changed(p) {
			e.add(Reason{Kind: ReasonParent, Image: p.Image, Layer: index})
		}
	}
}

// changed tells whether a parent is not what it was.
func (e *explanation) changed(p Parent) bool {
	b, t := e.c.Baseline.States[p.Image], e.c.Target.States[p.Image]
	return b == nil || t == nil || b.Config != t.Config || b.Output != t.Output
}

// arg is a changed argument as a reason, which has values only where they are shown: so
// nothing that prints, logs or keeps reasons can give one away.
func (c *comparison) arg(name string, old, now map[string]string, index int) Reason {
	r := Reason{Kind: ReasonArg, Arg: name, Layer: index, Change: Modified}
	was, is := valueOf(old, name), valueOf(now, name)
	switch {
	case was == nil:
		r.Change = Added
	case is == nil:
		r.Change = Removed
	}
	if c.Target.Catalog.Values.Shows(name) {
		r.Old, r.New = was, is
	}
	return r
}

func valueOf(args map[string]string, name string) *string {
	if v, ok := args[name]; ok {
		return &v
	}
	return nil
}

// read explains a selection that holds something else than before.
func (e *explanation) read(ctx context.Context, old, now StateRead, index int) {
	digest := now.Digest
	files := e.files(now)
	if !slices.Equal(old.Ignore.Patterns, now.Ignore.Patterns) && e.c.TargetFiles != nil {
		// What would the new tree hold under the old ignore file?
		sel := now.Selection
		sel.Ignore = old.Ignore
		rd, err := e.c.TargetFiles.Read(ctx, sel)
		if err != nil || rd.Digest != now.Digest {
			path := now.Ignore.File
			if path == "" {
				path = old.Ignore.File
			}
			e.add(Reason{Kind: ReasonIgnore, Path: path, Layer: index})
		}
		if err == nil {
			digest, files = rd.Digest, rd.Files
		}
		if digest == old.Digest {
			return
		}
	}
	changes := Diff(e.files(old), files)
	for _, ch := range changes {
		e.c.changed[ch.Path] = ch
		e.add(Reason{Kind: ReasonFile, Path: ch.Path, Change: ch.Change, Layer: index})
	}
	if len(changes) == 0 { // the old list is lost, or only its place in the context changed
		e.add(Reason{Kind: ReasonFile, Path: strings.TrimPrefix(strings.TrimPrefix(now.Context+now.Path, "."), "/"), Layer: index})
	}
}

func (e *explanation) files(r StateRead) []File {
	for _, st := range []*State{e.t, e.b} {
		if rd := st.Reading(r); rd != nil {
			return rd.Files
		}
	}
	if e.c.Files != nil {
		return e.c.Files(r)
	}
	return nil
}
