package audit

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"rebuild/docker/record"
	"rebuild/impact"
)

// vouched is what a record says of a layer that was predicted cached, and what else the
// cause of a miss may be found by.
type vouched struct {
	since    time.Time            // when an image was built that had the layer
	sameStep bool                 // there, the instruction was the same
	bases    []impact.ExternalRef // external images below the layer
	pulled   bool                 // registries were asked for newer ones
	baseIDs  map[string]string    // Build.BaseIDs
}

// comparison is what an audit is made of.
type comparison struct {
	outcomes   []Outcome
	before     map[string]*record.Record
	vouching   map[string]*record.Record
	killed     map[string]bool
	copiesLink bool

	// earlier gives those of some shortened keys that earlier audits kept.
	earlier func(map[string]bool) map[string]bool

	past   map[string]bool // what earlier gave
	steps  map[*Build][]impact.StateLayer
	ran    map[impact.Digest]bool // layers that any build executed
	keys   map[impact.Digest]*record.Record
	own    map[impact.Digest]bool // keys without what is only copied, of layers on record
	same   map[string]bool        // images that came out as they were
	failed bool                   // some build did not come to its end
}

// audit compares. It is nil when no build was begun.
func (c *comparison) audit() *Audit {
	if !slices.ContainsFunc(c.outcomes, func(o Outcome) bool { return o.Build != nil }) {
		return nil
	}
	c.gather()
	a := &Audit{
		Version: version,
		Images:  ImageTally{NotComparable: Counts{}, NotCompared: Counts{}},
		Layers:  LayerTally{NotComparable: Counts{}},
	}
	for _, o := range c.outcomes {
		if o.End == Built && o.Build != nil {
			c.image(a, o)
		}
	}
	a.Keys = c.newKeys()
	return a
}

// gather finds what all images are compared with.
func (c *comparison) gather() {
	c.steps, c.same = map[*Build][]impact.StateLayer{}, map[string]bool{}
	for _, o := range c.outcomes {
		if o.Build != nil {
			c.steps[o.Build] = o.Build.State.Steps()
		}
	}
	c.ran = c.executed()
	c.keys, c.own = map[impact.Digest]*record.Record{}, map[impact.Digest]bool{}
	for _, records := range []map[string]*record.Record{c.before, c.vouching} {
		for _, name := range slices.Sorted(maps.Keys(records)) {
			c.learn(records[name])
		}
	}
	for _, o := range c.outcomes {
		switch o.End {
		case Kept, CutOff:
			c.same[o.Image] = true
		case Built:
			c.same[o.Image] = o.cameOutTheSame()
		case Unfinished:
			c.failed = c.failed || o.Build != nil
		}
	}
	c.past = c.earlier(c.unrecorded())
}

// unrecorded are the shortened keys, and those without what is only copied, of the
// layers that were found although no record has them.
func (c *comparison) unrecorded() map[string]bool {
	keys := map[string]bool{}
	for _, o := range c.outcomes {
		if o.End != Built || o.Build == nil {
			continue
		}
		for _, l := range c.steps[o.Build] {
			if c.keys[l.Key] == nil && !c.ran[l.Key] {
				keys[shortKey(l.Key)], keys[shortKey(l.OwnKey)] = true, true
			}
		}
	}
	return keys
}

// learn takes in which layers a record says the engine has.
func (c *comparison) learn(rec *record.Record) {
	if rec.State == nil || rec.ImageID == "" {
		return
	}
	for _, l := range rec.State.Layers {
		if old := c.keys[l.Key]; old == nil || old.Built.Before(rec.Built) {
			c.keys[l.Key] = rec
		}
		c.own[l.OwnKey] = true
	}
}

// executed are the keys of the layers that ran in any of the builds. Equal steps of
// several images run once, whichever comes first.
func (c *comparison) executed() map[impact.Digest]bool {
	ran := map[impact.Digest]bool{}
	for _, o := range c.outcomes {
		if o.Build == nil {
			continue
		}
		names, places := map[string]bool{}, map[stepPlace]bool{}
		for _, step := range o.Build.Ran {
			names[step.Name], places[placeOf(step.Name, step.Line)] = true, true
		}
		for _, l := range c.steps[o.Build] {
			if names[l.Name] || o.Build.ArgsIgnored && places[placeOf(l.Name, l.Line)] {
				ran[l.Key] = true
			}
		}
	}
	return ran
}

// stepPlace tells the steps of an image apart when their names do not serve: these
// spell out the values of arguments, and a plan has others for those that it leaves
// out of the comparison.
type stepPlace struct {
	number string // "[build 2/5"
	line   int
}

func placeOf(name string, line int) stepPlace {
	number, _, _ := strings.Cut(name, "]")
	return stepPlace{number, line}
}

// image compares one image that was built with its plan.
func (c *comparison) image(a *Audit, o Outcome) {
	a.Images.Built++
	b := o.Build
	at, ok := aligned(b.Predicted, b.State)
	switch {
	case b.NoCache:
		a.Images.NotCompared[BuiltWithoutCache]++
		return
	case b.Elsewhere:
		a.Images.NotCompared[BuiltElsewhere]++
		return
	case !ok:
		a.Images.NotCompared[LayersDiffer]++
		return
	}
	below := c.below(b)
	ranAny, excuse := false, Why("")
	for i, lp := range b.Predicted.Layers {
		if !lp.Step {
			continue
		}
		l := b.State.Layers[at[i]]
		ran := c.ran[l.Key]
		ranAny = ranAny || ran
		if lp.State == impact.Cached {
			a.Layers.Cached++
		} else {
			a.Layers.Invalidated++
		}
		if ran == (lp.State == impact.Invalidated) {
			a.Layers.Right++
			continue
		}
		why, kind := Why(""), Unsound
		if ran {
			why = c.whyRan(o, l, below[at[i]])
		} else {
			why, kind = c.whyFound(o, l, below[at[i]]), Wide
		}
		switch {
		case why != "":
			a.Layers.NotComparable[why]++
			excuse = why
			continue
		case kind == Unsound:
			a.Layers.Unsound++
		default:
			a.Layers.Wide++
		}
		a.Misses = append(a.Misses, Miss{
			Kind: kind, Image: o.Image, Layer: lp.Index, Dockerfile: lp.Dockerfile, Line: lp.Line, Instruction: lp.Instruction,
			Cause: Cause{Kind: CauseUnknown}, Step: b.Predicted.Values.Withheld(l.Name), Key: l.Key, Reasons: kept(b.Predicted.Reasons),
			known: c.vouched(b, l, below[at[i]]),
		})
	}
	switch why, nothing := c.whyRebuilt(o, ranAny, excuse); {
	case !nothing:
		a.Images.Right++
	case why != "":
		a.Images.NotComparable[why]++
	default:
		a.Images.ForNothing++
		a.Misses = append(a.Misses, Miss{
			Kind: ForNothing, Image: o.Image, Dockerfile: b.State.DockerfileName(),
			Cause: Cause{Kind: CauseUnknown}, Reasons: kept(b.Predicted.Reasons),
		})
	}
}

// aligned gives, for each layer of a plan, its index in the state. A plan against a
// commit is made of what git says of the files, the state of their bytes; their
// layers are the same ones, but for a Dockerfile that differs between the two.
func aligned(ip *impact.ImagePlan, st *impact.State) ([]int, bool) {
	at := make([]int, 0, len(ip.Layers))
	for i, l := range st.Layers {
		if !l.Listed() {
			continue
		}
		if len(at) == len(ip.Layers) || ip.Layers[len(at)].Name != l.Name {
			return nil, false
		}
		at = append(at, i)
	}
	return at, len(at) == len(ip.Layers)
}

// foundation is what a layer stands on.
type foundation struct {
	always bool     // the layer, or one below it, runs on each build
	behind bool     // the layer, or one below it, has wildcards behind a link
	from   []string // references of the images
}

// below gives the foundation of each layer of an image's state.
func (c *comparison) below(b *Build) []foundation {
	all := make([]foundation, len(b.State.Layers))
	for i, l := range b.State.Layers {
		f := foundation{always: l.Always, behind: behindLink(b.State, l)}
		if l.From != "" {
			f.from = append(f.from, l.From)
		}
		for _, in := range l.Inputs { // which come before it
			f.always = f.always || all[in].always
			f.behind = f.behind || all[in].behind
			for _, ref := range all[in].from {
				if !slices.Contains(f.from, ref) {
					f.from = append(f.from, ref)
				}
			}
		}
		all[i] = f
	}
	return all
}

// whyRan says why no plan could tell that a layer which it took for cached would
// run, "" when it should have.
func (c *comparison) whyRan(o Outcome, l impact.StateLayer, f foundation) Why {
	vouch := c.vouch(o.Build, l)
	switch {
	case o.Build.Edited:
		return FilesEdited
	case inline(l):
		return InlineDocument
	case l.TakesNothing():
		return TakesNothing
	case c.copiesLink && l.Link:
		return LinkCopied
	case f.always:
		return RunsAlways
	case o.Build.ArgsIgnored:
		return ArgumentsIgnored
	case vouch == nil: // against a commit: nothing says that this engine ever built it
		return NotBuiltHere
	}
	for _, p := range o.Build.State.Parents {
		if slices.Contains(f.from, p.Ref) && vouch.Parents[p.Image] != o.Build.Parents[p.Image] {
			return ParentChanged
		}
	}
	return ""
}

// whyFound says why no plan could tell that a layer which it took for invalidated
// would be found in the cache, "" when it should have.
func (c *comparison) whyFound(o Outcome, l impact.StateLayer, f foundation) Why {
	b := o.Build
	recorded := b.Old != nil && b.Old.State != nil && b.Old.ImageID != ""
	switch {
	case o.Build.Edited:
		return FilesEdited
	case inline(l):
		return InlineDocument
	case c.copiesLink && l.Link:
		return LinkCopied
	case f.behind:
		return WildcardsInLink
	case !recorded, c.killed[o.Image], c.keys[l.Key] != nil, c.past[shortKey(l.Key)]:
		return SeenBefore
	case c.own[l.OwnKey], l.OwnKey != l.Key && c.past[shortKey(l.OwnKey)]:
		return ComparedByContent
	case c.parentSame(b.Predicted):
		return ParentSame
	case c.failed:
		return OtherImageFailed
	case !c.ranAny(b) && !slices.Equal(b.Old.Chain, o.Made.Chain):
		// Nothing ran, and it is another root filesystem than the one on record: a build
		// that nobody here knows of made it (docker build, another clone).
		return SeenBefore
	}
	return ""
}

// whyRebuilt tells whether an image was rebuilt for nothing and, if no plan could
// tell that it would be, why.
func (c *comparison) whyRebuilt(o Outcome, ran bool, excuse Why) (why Why, nothing bool) {
	ip := o.Build.Predicted
	switch {
	case ran || !c.same[o.Image] || !byContent(ip):
		return "", false
	case o.Build.Edited:
		return FilesEdited, true
	case excuse != "":
		return excuse, true
	case c.parentSame(ip):
		return ParentSame, true
	case ip.Unsure, ip.Action == impact.Keep, ip.WaitsOnly(): // what it copies came out the same
		return ComparedByContent, true
	}
	return "", true
}

// byContent tells whether a rebuild is for what the image is made of, not for what
// the engine, the records or the user tell.
func byContent(ip *impact.ImagePlan) bool {
	return !slices.ContainsFunc(ip.Reasons, func(r impact.Reason) bool {
		switch r.Kind {
		case impact.ReasonMissing, impact.ReasonNew, impact.ReasonFailed, impact.ReasonForced:
			return true
		}
		return r.Kind == impact.ReasonConfig && r.Field == impact.FieldTag
	})
}

func (c *comparison) parentSame(ip *impact.ImagePlan) bool {
	return slices.ContainsFunc(c.outcomes, func(o Outcome) bool {
		rebuilt := o.End == CutOff || o.Build != nil && o.Build.Predicted.Action == impact.Rebuild
		return rebuilt && c.same[o.Image] && slices.Contains(ip.Parents, o.Image)
	})
}

func (c *comparison) ranAny(b *Build) bool {
	return slices.ContainsFunc(c.steps[b], func(l impact.StateLayer) bool { return c.ran[l.Key] })
}

// vouch is the record that says the engine has a layer: the image's own, or the
// newest of the others; nil when none does.
func (c *comparison) vouch(b *Build, l impact.StateLayer) *record.Record {
	if own := c.before[b.State.Name]; own != nil && own.State != nil && own.ImageID != "" && hasKey(own.State, l.Key) {
		return own
	}
	return c.keys[l.Key]
}

func hasKey(st *impact.State, key impact.Digest) bool {
	return slices.ContainsFunc(st.Layers, func(l impact.StateLayer) bool { return l.Key == key })
}

func (c *comparison) vouched(b *Build, l impact.StateLayer, f foundation) vouched {
	v := vouched{pulled: b.Pull, baseIDs: b.BaseIDs}
	for _, base := range b.State.Bases {
		if slices.Contains(f.from, base.Ref) {
			v.bases = append(v.bases, base)
		}
	}
	if vouch := c.vouch(b, l); vouch != nil {
		v.since = vouch.Built
		v.sameStep = slices.ContainsFunc(vouch.State.Layers, func(old impact.StateLayer) bool {
			return old.Key == l.Key && old.Instruction == l.Instruction
		})
	}
	return v
}

// inline tells whether a layer is the text of a heredoc, or something else that many
// layers have the name of: these cannot be told apart in what BuildKit ran.
func inline(l impact.StateLayer) bool { return l.Inline || l.Remote && l.Line == 0 }

// behindLink tells of wildcards in a folder that a symlink leads to. Old engines
// look for matches without following it, and find none; current ones follow it, and find an
// equal folder again. A plan is wide enough for both.
func behindLink(st *impact.State, l impact.StateLayer) bool {
	for _, r := range l.Reads {
		fixed, wild := impact.SplitWildcards(r.Path)
		rd := st.Reading(r)
		if !r.Wildcard || wild == "" || rd == nil {
			continue
		}
		folder := path.Join(r.Context, fixed)
		for _, f := range rd.Files {
			if fs.FileMode(f.Mode)&fs.ModeSymlink != 0 && (folder == f.Path || strings.HasPrefix(folder, f.Path+"/")) {
				return true
			}
		}
	}
	return false
}

// newKeys are the keys that no record had, of all images whose build was begun:
// also one that failed, or was cancelled, leaves layers behind.
func (c *comparison) newKeys() []string {
	found := map[string]bool{}
	for _, o := range c.outcomes {
		if o.Build == nil {
			continue
		}
		for _, l := range c.steps[o.Build] {
			if c.keys[l.Key] == nil {
				found[shortKey(l.Key)] = true
			}
			if l.OwnKey != l.Key && !c.own[l.OwnKey] {
				found[shortKey(l.OwnKey)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// shortKeyLen is how much of a key is kept, in hex digits: among the 50,000 that a
// log holds, two have the same with a chance of 1 to 10^10.
const shortKeyLen = 16

func shortKey(d impact.Digest) string {
	s := strings.TrimPrefix(string(d), "sha256:")
	return s[:min(len(s), shortKeyLen)]
}

// kept are reasons without the values of arguments that this run alone may have shown: an
// audit is kept, and sent to others.
func kept(reasons []impact.Reason) []impact.Reason {
	out := slices.Clone(reasons)
	for i, r := range out {
		if r.Kind == impact.ReasonArg {
			out[i].Old, out[i].New = nil, nil
		}
	}
	return out
}
