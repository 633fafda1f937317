package docker

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"rebuild/impact"
)

// witness is what a record says of a layer that was foretold cached, and what else
// its cause may be found by.
type witness struct {
	since    time.Time            // when an image was built that had the layer
	sameStep bool                 // there, the instruction was the same
	bases    []impact.ExternalRef // external images below the layer
	pulled   bool                 // registries were asked for newer ones
	held     Images               // by the engine, when the plan was made
}

// comparison is what an audit is made of.
type comparison struct {
	outcomes   []Outcome
	before     map[string]*Record // as the run found them
	vouching   map[string]*Record // Run.Vouching
	killed     map[string]bool    // images whose builds a killed run left under way
	copiesLink bool               // the engine takes COPY --link for a plain copy

	// known gives those of some shortened keys that earlier audits kept.
	known func(map[string]bool) map[string]bool

	past   map[string]bool // what known gave
	steps  map[*imageBuild][]impact.StateLayer
	ran    map[impact.Digest]bool // layers that any build executed
	keys   map[impact.Digest]*Record
	floors map[impact.Digest]bool
	same   map[string]bool // images that came out as they were
	failed bool            // some build did not come to its end
}

// audit compares. It is nil when no build was begun.
func (c *comparison) audit() *Audit {
	if !slices.ContainsFunc(c.outcomes, func(o Outcome) bool { return o.build != nil }) {
		return nil
	}
	c.look()
	a := &Audit{
		Version: recordVersion,
		Images:  ImageTally{Apart: map[string]int{}, NotCompared: map[string]int{}},
		Layers:  LayerTally{Apart: map[string]int{}},
	}
	for _, o := range c.outcomes {
		if o.Status == Built && o.build != nil {
			c.image(a, o)
		}
	}
	a.Keys = c.newKeys()
	return a
}

// look finds what all images are held against.
func (c *comparison) look() {
	c.steps, c.same = map[*imageBuild][]impact.StateLayer{}, map[string]bool{}
	for _, o := range c.outcomes {
		if o.build != nil {
			c.steps[o.build] = o.build.state.Steps()
		}
	}
	c.ran = c.executed()
	c.keys, c.floors = map[impact.Digest]*Record{}, map[impact.Digest]bool{}
	for _, records := range []map[string]*Record{c.before, c.vouching} {
		for _, name := range slices.Sorted(maps.Keys(records)) {
			c.learn(records[name])
		}
	}
	for _, o := range c.outcomes {
		switch o.Status {
		case CutOff, Kept:
			c.same[o.Image] = true
		case Built:
			c.same[o.Image] = o.build != nil && cameOutTheSame(o)
		case Failed, Cancelled, Superseded:
			c.failed = c.failed || o.build != nil
		}
	}
	c.past = c.known(c.unrecorded())
}

// unrecorded are the shortened keys, and those without what is only copied, of the
// layers that were found although no record has them.
func (c *comparison) unrecorded() map[string]bool {
	keys := map[string]bool{}
	for _, o := range c.outcomes {
		if o.Status != Built || o.build == nil {
			continue
		}
		for _, l := range c.steps[o.build] {
			if c.keys[l.Key] == nil && !c.ran[l.Key] {
				keys[shortKey(l.Key)], keys[shortKey(l.OwnKey)] = true, true
			}
		}
	}
	return keys
}

// learn takes in which layers a record says the engine has.
func (c *comparison) learn(rec *Record) {
	if rec.State == nil || rec.ImageID == "" {
		return
	}
	for _, l := range rec.State.Layers {
		if old := c.keys[l.Key]; old == nil || old.Built.Before(rec.Built) {
			c.keys[l.Key] = rec
		}
		c.floors[l.OwnKey] = true
	}
}

func cameOutTheSame(o Outcome) bool {
	old := o.build.old
	return old != nil && old.ImageID != "" && old.Config == o.Result.Config && slices.Equal(old.Chain, o.Result.Chain)
}

// executed are the keys of the layers that ran in any of the builds. Equal steps of
// several images run once, whichever comes first.
func (c *comparison) executed() map[impact.Digest]bool {
	ran := map[impact.Digest]bool{}
	for _, o := range c.outcomes {
		if o.Result == nil || o.build == nil {
			continue
		}
		names, places := map[string]bool{}, map[stepPlace]bool{}
		for _, step := range o.Result.Steps {
			if step.Ran() {
				names[step.Name], places[placeOf(step.Name, step.Line)] = true, true
			}
		}
		for _, l := range c.steps[o.build] {
			if names[l.Name] || o.build.asked.leftOut && places[placeOf(l.Name, l.Line)] {
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

// image holds one image that was built against its plan.
func (c *comparison) image(a *Audit, o Outcome) {
	a.Images.Built++
	b := o.build
	at, ok := aligned(b.foretold, b.state)
	switch {
	case b.asked.noCache:
		a.Images.NotCompared[skipNoCache]++
		return
	case !ok:
		a.Images.NotCompared[skipUnaligned]++
		return
	}
	below := c.below(b)
	ranAny, apart := false, ""
	for i, lp := range b.foretold.Layers {
		if !lp.Step {
			continue
		}
		l := b.state.Layers[at[i]]
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
		why, kind := "", Unsound
		if ran {
			why = c.whyRan(o, l, below[at[i]])
		} else {
			why, kind = c.whyFound(o, l, below[at[i]]), Wide
		}
		switch {
		case why != "":
			a.Layers.Apart[why]++
			apart = why
			continue
		case kind == Unsound:
			a.Layers.Unsound++
		default:
			a.Layers.Wide++
		}
		a.Misses = append(a.Misses, Miss{
			Kind: kind, Image: o.Image, Layer: lp.Index, Dockerfile: lp.Dockerfile, Line: lp.Line, Instruction: lp.Instruction,
			CauseKind: CauseUnknown, Cause: causeUnknown, Step: l.Name, Key: l.Key, Reasons: b.foretold.Reasons,
			witness: c.witness(b, l, below[at[i]]),
		})
	}
	switch why, nothing := c.whyRebuilt(o, ranAny, apart); {
	case !nothing:
		a.Images.Right++
	case why != "":
		a.Images.Apart[why]++
	default:
		a.Images.ForNothing++
		a.Misses = append(a.Misses, Miss{
			Kind: ForNothing, Image: o.Image, Dockerfile: b.state.Def.Dockerfile,
			CauseKind: CauseUnknown, Cause: causeUnknown, Reasons: b.foretold.Reasons,
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
func (c *comparison) below(b *imageBuild) []foundation {
	all := make([]foundation, len(b.state.Layers))
	for i, l := range b.state.Layers {
		f := foundation{always: l.Always, behind: behindLink(b.state, l)}
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
func (c *comparison) whyRan(o Outcome, l impact.StateLayer, f foundation) string {
	vouch := c.vouch(o.build, l)
	switch {
	case o.Changed:
		return apartEdited
	case inline(l):
		return apartInline
	case c.copiesLink && l.Link:
		return apartLink
	case f.always:
		return apartAlways
	case o.build.asked.leftOut:
		return apartLeftOut
	case vouch == nil: // against a commit: nothing says that this engine ever built it
		return apartElse
	}
	for _, p := range o.build.state.Parents {
		if slices.Contains(f.from, p.Ref) && vouch.Parents[p.Image] != o.build.parents[p.Image] {
			return apartMoved
		}
	}
	return ""
}

// whyFound says why no plan could tell that a layer which it took for invalidated
// would be found in the cache, "" when it should have.
func (c *comparison) whyFound(o Outcome, l impact.StateLayer, f foundation) string {
	b := o.build
	recorded := b.old != nil && b.old.State != nil && b.old.ImageID != ""
	switch {
	case o.Changed:
		return apartEdited
	case inline(l):
		return apartInline
	case c.copiesLink && l.Link:
		return apartLink
	case c.copiesLink && f.behind:
		return apartBehind
	case !recorded, c.killed[o.Image], c.keys[l.Key] != nil, c.past[shortKey(l.Key)]:
		return apartSeen
	case c.floors[l.OwnKey], l.OwnKey != l.Key && c.past[shortKey(l.OwnKey)]:
		return apartContent
	case c.parentSame(b.foretold):
		return apartSame
	case c.failed:
		return apartFailed
	case !c.ranAny(b) && !slices.Equal(b.old.Chain, o.Result.Chain):
		// Nothing ran, and it is another root filesystem than the one on record: a build
		// that nobody here knows of made it (docker build, another clone).
		return apartSeen
	}
	return ""
}

// whyRebuilt tells whether an image was rebuilt for nothing and, if no plan could
// tell that it would be, why.
func (c *comparison) whyRebuilt(o Outcome, ran bool, apart string) (why string, nothing bool) {
	ip := o.build.foretold
	switch {
	case ran || !c.same[o.Image] || !byContent(ip):
		return "", false
	case o.Changed:
		return apartEdited, true
	case apart != "":
		return apart, true
	case c.parentSame(ip):
		return apartSame, true
	case ip.Unsure, ip.Action == impact.Keep, ip.WaitsOnly(): // what it copies came out the same
		return apartContent, true
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
		rebuilt := o.Status == CutOff || o.build != nil && o.build.foretold.Action == impact.Rebuild
		return rebuilt && c.same[o.Image] && slices.Contains(ip.Parents, o.Image)
	})
}

func (c *comparison) ranAny(b *imageBuild) bool {
	return slices.ContainsFunc(c.steps[b], func(l impact.StateLayer) bool { return c.ran[l.Key] })
}

// vouch is the record that says the engine has a layer: the image's own, or the
// newest of the others; nil when none does.
func (c *comparison) vouch(b *imageBuild, l impact.StateLayer) *Record {
	if own := c.before[b.name]; own != nil && own.State != nil && own.ImageID != "" && hasKey(own.State, l.Key) {
		return own
	}
	return c.keys[l.Key]
}

func hasKey(st *impact.State, key impact.Digest) bool {
	return slices.ContainsFunc(st.Layers, func(l impact.StateLayer) bool { return l.Key == key })
}

func (c *comparison) witness(b *imageBuild, l impact.StateLayer, f foundation) witness {
	w := witness{pulled: b.asked.pull, held: b.work.Images}
	for _, base := range b.state.Bases {
		if slices.Contains(f.from, base.Ref) {
			w.bases = append(w.bases, base)
		}
	}
	if vouch := c.vouch(b, l); vouch != nil {
		w.since = vouch.Built
		w.sameStep = slices.ContainsFunc(vouch.State.Layers, func(old impact.StateLayer) bool {
			return old.Key == l.Key && old.Instruction == l.Instruction
		})
	}
	return w
}

// inline tells whether a layer is the text of a heredoc, or something else that many
// layers have the name of: these cannot be told apart in what BuildKit ran.
func inline(l impact.StateLayer) bool { return l.Inline || l.Remote && l.Line == 0 }

// behindLink tells of wildcards in a folder that a symlink leads to. Engines that copy
// --link (before 23) look for matches without following it, and find none.
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
		if o.build == nil {
			continue
		}
		for _, l := range c.steps[o.build] {
			if c.keys[l.Key] == nil {
				found[shortKey(l.Key)] = true
			}
			if l.OwnKey != l.Key && !c.floors[l.OwnKey] {
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
