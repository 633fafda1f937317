package impact

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// ReadFile reads a file of a tree, following symlinks; fs.ErrNotExist when there
// is none.
type ReadFile func(ctx context.Context, path string) ([]byte, error)

// Resolve says what a normalised reference in a Dockerfile stands for. It may be
// called concurrently. For an image of the catalog whose state is not known yet
// the error is *Pending.
type Resolve func(ctx context.Context, ref, platform string) (Base, error)

// Convert gives an image's graph of layers, also of one that cannot be built, as far as
// it can be judged (Graph.Fault). An error is a *Fault, or what Resolve returned, wrapped:
// then nothing is known of the image.
type Convert func(ctx context.Context, im Image, read ReadFile, resolve Resolve) (*Graph, error)

// Pending says that an image's parent must be scanned first.
type Pending struct{ Image string }

// Error implements error.
func (p *Pending) Error() string { return "waiting for image " + p.Image }

// Cycle is an error of the definitions: images that are built on each other.
type Cycle struct{ Images []string } // in order, the first one is built on the second, the last on the first

// Error names the images, the first one at both ends.
func (c *Cycle) Error() string {
	return "dependency cycle: " + strings.Join(append(slices.Clone(c.Images), c.Images[0]), " -> ")
}

// Scanner finds the state of images. Its fields say where from.
type Scanner struct {
	Convert Convert
	// WithKey gives a config the root filesystem that a key stands for, so that an
	// image built on it sees both.
	WithKey func(config []byte, key Digest) []byte
	// External says what a reference from outside the catalog stands for.
	External Resolve
	// SoundBaseline says that no image of the baseline has a fault (records are of images
	// that were built), so that one which cannot be built is another in any case: what it
	// may read is not read.
	SoundBaseline bool
}

// Scan finds the state of every image of a catalog at a tree. Images that cannot
// be built have their State.Err; an error of Scan itself is a *Cycle, or the
// context's.
func (s Scanner) Scan(ctx context.Context, cat Catalog, files Files) (*Snapshot, error) {
	sc := &scan{
		Scanner: s,
		cat:     cat,
		files:   files,
		byRef:   owners(cat),
		images:  link(cat),
		states:  map[string]*State{},
		waits:   map[string]string{},
		hinted:  map[string]bool{},
		ignored: map[[2]string]bool{},
	}
	pending := cat.Names()
	var order []string
	for len(pending) > 0 {
		next, done := sc.round(ctx, pending)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		order = append(order, done...)
		if len(done) == 0 && !sc.ignoreMention(next) {
			return nil, sc.cycle(next)
		}
		pending = next
	}
	return &Snapshot{Catalog: cat, States: sc.states, Order: order}, nil
}

type scan struct {
	Scanner
	cat    Catalog
	files  Files
	byRef  map[string][]string
	images map[string]Image

	mu     sync.Mutex        // guards what follows as long as a round runs
	states map[string]*State // written between rounds
	waits  map[string]string // image -> the parent that it waited for
	hinted map[string]bool   // images that wait for a parent which they only mention

	ignored map[[2]string]bool // mentions, of an image and of which, that do not count; written between rounds
}

// owners maps each reference to the images that it tags.
func owners(cat Catalog) map[string][]string {
	m := map[string][]string{}
	for _, im := range cat.Images {
		for _, ref := range im.Refs {
			if !slices.Contains(m[ref], im.Name) { // it may have one tag in two spellings
				m[ref] = append(m[ref], im.Name)
			}
		}
	}
	return m
}

// link gives the named contexts that are images of the catalog their reference.
func link(cat Catalog) map[string]Image {
	images := make(map[string]Image, len(cat.Images))
	for _, im := range cat.Images {
		images[im.Name] = im
	}
	linked := make(map[string]Image, len(cat.Images))
	for _, im := range cat.Images {
		linked[im.Name] = Linked(im, images)
	}
	return linked
}

// Linked is the image with each named context that is an image of the catalog
// turned into that image's first reference.
func Linked(im Image, images map[string]Image) Image {
	im.Contexts = slices.Clone(im.Contexts)
	for i, c := range im.Contexts {
		if target, ok := images[c.Image]; ok && len(target.Refs) > 0 {
			im.Contexts[i].Ref = target.Refs[0]
		}
	}
	return im
}

// round scans each pending image whose parents are known by now. It returns
// those that still wait and those that were found, both in the given order.
func (sc *scan) round(ctx context.Context, pending []string) (next, done []string) {
	found := make([]*State, len(pending))
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, name := range pending {
		if sc.blocked(name) {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			found[i] = sc.image(ctx, sc.images[name])
		})
	}
	wg.Wait()
	for i, name := range pending {
		if found[i] == nil {
			next = append(next, name)
			continue
		}
		sc.states[name] = found[i]
		done = append(done, name)
	}
	return next, done
}

// blocked tells whether the parent that an image waited for is still unknown.
func (sc *scan) blocked(name string) bool {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	parent, ok := sc.waits[name]
	return ok && sc.states[parent] == nil
}

// ignoreMention has one of the images that wait for each other give up a parent that it
// only mentions, which is in truth built on it. It is false when there is none.
func (sc *scan) ignoreMention(pending []string) bool {
	for _, name := range pending {
		if sc.hinted[name] && sc.waitsForItself(name, len(pending)) {
			sc.ignored[[2]string{name, sc.waits[name]}] = true
			delete(sc.waits, name)
			return true
		}
	}
	return false
}

// waitsForItself tells whether an image waits, through so many others at most, for itself.
func (sc *scan) waitsForItself(name string, most int) bool {
	at := name
	for range most {
		if at = sc.waits[at]; at == name {
			return true
		}
	}
	return false
}

// cycle is found among images that all wait for each other.
func (sc *scan) cycle(pending []string) error {
	at := map[string]int{}
	var path []string
	for name := pending[0]; ; name = sc.waits[name] {
		if i, ok := at[name]; ok {
			return &Cycle{Images: path[i:]}
		}
		at[name] = len(path)
		path = append(path, name)
	}
}

// image finds one image's state, nil when it waits for a parent.
func (sc *scan) image(ctx context.Context, im Image) *State {
	r := &resolution{scan: sc, image: im.Name, bases: map[string]Base{}}
	g, err := sc.Convert(ctx, im, sc.files.ReadFile, r.resolve)
	var mentioned []Parent
	hinted := false
	if r.waits == "" && err == nil && g.Mentions != nil {
		mentioned = r.mentioned(g)
		if len(mentioned) > 0 && g.Otherwise != nil {
			g = g.Otherwise
			mentioned = r.mentioned(g)
		}
		hinted = r.waits != ""
	}
	if r.waits != "" {
		sc.mu.Lock()
		sc.waits[im.Name], sc.hinted[im.Name] = r.waits, hinted
		sc.mu.Unlock()
		return nil
	}
	st := &State{Name: im.Name, Tags: slices.Clone(im.Tags), Def: definition(im), readings: map[Digest]*Reading{}}
	if err == nil {
		r.keepOnly(g.Refs)
	}
	r.edges(st, g)
	if err != nil {
		var f *Fault
		if !errors.As(err, &f) {
			f = &Fault{Path: im.DockerfileName(), Cause: err.Error()}
		}
		st.Err, st.Unjudged, st.unread = f, true, true
		st.Output = DigestOf("broken", f.Error())
		st.Config, st.OwnOutput = st.Output, st.Output
	} else {
		st.Warnings, st.Err, st.Unjudged, st.Assumed = slices.Clone(g.Warnings), g.Fault, g.Unjudged, g.Assumed
		st.Def.Text = g.Text
		sc.keys(ctx, st, g, r, im.Inline == "")
		st.Config = DigestOf("config", append([]string{string(g.Config)}, exported(im)...)...)
		if st.Err == nil || !st.Unjudged {
			st.base = g.Config
		}
	}
	if st.Unjudged && st.Err != nil { // nobody knows what of its definition makes what of it
		st.Output = DigestOf("unjudged", string(st.Output), string(st.Config), string(st.Def.digest()))
		st.OwnOutput, st.Config = st.Output, st.Output
	}
	// What reads a Dockerfile says it with the values of arguments in it.
	st.Err, st.Warnings = sc.cat.Values.WithheldFault(st.Err), sc.cat.Values.WithheldAll(st.Warnings)
	sc.mention(st, mentioned)
	sc.inherit(st)
	return st
}

// mention makes images parents of one that cannot be built and may be built on them.
func (sc *scan) mention(st *State, parents []Parent) {
	for _, p := range parents {
		st.Parents = append(st.Parents, p)
		of := sc.states[p.Image]
		takes := DigestOf("mentioned", string(st.Output), string(of.Output), string(of.Config))
		st.Output, st.OwnOutput = takes, takes
	}
	sortParents(st.Parents)
}

// inherit makes an image that is built on a broken one broken, and one that is built on
// a stand-in stand on it too.
func (sc *scan) inherit(st *State) {
	assumed := slices.Clone(st.Assumed) // that of the graph is shared
	for _, p := range st.Parents {
		assumed = append(assumed, sc.states[p.Image].Assumed...)
	}
	slices.Sort(assumed)
	st.Assumed = slices.Compact(assumed)
	if st.Err != nil {
		return
	}
	for _, p := range st.Parents {
		parent := sc.states[p.Image]
		if parent.Err == nil {
			continue
		}
		root := p.Image
		if parent.Blame != "" {
			root = parent.Blame
		}
		st.Blame = root
		st.Err = &Fault{Path: parent.Err.Path, Line: parent.Err.Line, Cause: fmt.Sprintf("its parent %s cannot be built: %s", root, parent.Err.Cause), Hint: parent.Err.Hint}
		if parent.Blame != "" {
			st.Err.Cause = parent.Err.Cause
		}
		return
	}
}

// keys computes the key of each layer, inputs first.
// written says that its Dockerfile is a file, not a text of the definition, which may hold
// values.
func (sc *scan) keys(ctx context.Context, st *State, g *Graph, r *resolution, written bool) {
	st.Layers = make([]StateLayer, len(g.Layers))
	for i, l := range g.Layers {
		sl := StateLayer{
			Op: l.Op, Inputs: l.Inputs, From: l.From, Always: l.Always, Remote: l.Remote, Link: l.Link, Inline: l.Inline,
			Stage: l.Stage, File: l.File, Line: l.Line, Instruction: l.Instruction, Name: l.Name,
		}
		if !written || l.Line == 0 { // else it is as the repository has it
			sl.Instruction = sc.cat.Values.Withheld(sl.Instruction)
		}
		inputs, own := make([]Digest, len(l.Inputs)), make([]Digest, len(l.Inputs))
		for j, in := range l.Inputs {
			inputs[j] = st.Layers[in].Key
			if !slices.Contains(l.Compared, j) {
				own[j] = st.Layers[in].OwnKey
			}
		}
		var reads []Digest
		if l.Op == Everything && g.Unjudged && sc.SoundBaseline {
			l.Reads = nil
		}
		for _, sel := range l.Reads {
			d, err := sc.read(ctx, st, sel, l)
			if err != nil {
				st.Err = err
			}
			reads = append(reads, d)
			sl.Reads = append(sl.Reads, StateRead{Selection: sel, Digest: d})
		}
		if l.From != "" {
			sl.FromKey = r.key(l.From)
		}
		sl.Key, sl.OwnKey = layerKey(l.Op, inputs, reads, sl.FromKey), layerKey(l.Op, own, reads, "")
		if l.From != "" { // a root filesystem, under whatever name
			sl.Key, sl.OwnKey = sl.FromKey, r.ownKey(l.From)
		}
		st.Layers[i] = sl
	}
	if g.Output >= 0 {
		st.Output, st.OwnOutput = st.Layers[g.Output].Key, st.Layers[g.Output].OwnKey
	}
}

func (sc *scan) read(ctx context.Context, st *State, sel Selection, l Layer) (Digest, *Fault) {
	rd, err := sc.files.Read(ctx, sel)
	if err != nil {
		f := &Fault{Path: l.File, Line: l.Line, Cause: fmt.Sprintf("%s: cannot read %s: %v", l.Instruction, sel.Path, err)}
		if l.Op == Everything {
			f.Cause = fmt.Sprintf("cannot read its build context %s: %v", sel.Context, err)
		}
		if st.Err != nil {
			f = st.Err
		}
		st.Unjudged, st.unread = true, true
		return DigestOf("unreadable", err.Error()), f
	}
	st.readings[StateRead{Selection: sel, Digest: rd.Digest}.ID()] = rd
	st.noteGit(sel, l, rd)
	if rd.Missing == "" || l.Op == Everything {
		return rd.Digest, st.Err
	}
	f := &Fault{Path: l.File, Line: l.Line}
	switch {
	case rd.NoGit:
		f.Cause = fmt.Sprintf("%s: no commit holds .git, which every commit changes", l.Instruction)
		f.Hint = "build it from a checkout of the commit: rebuild " + ShellWord(st.Name)
	case rd.HiddenBy > 0:
		f.Cause = fmt.Sprintf("%s: %s is hidden by %s:%d", l.Instruction, rd.Missing, sel.Ignore.File, rd.HiddenBy)
		f.Hint = fmt.Sprintf("take the pattern out of %s, or add an exception: !%s", sel.Ignore.File, strings.TrimPrefix(rd.Missing, "/"))
	default:
		f.Cause = fmt.Sprintf("%s: %s is not in the build context %s", l.Instruction, rd.Missing, sel.Context)
	}
	if st.Err != nil {
		f = st.Err // the first one is the one that a build would meet
	}
	return rd.Digest, f
}
