package impact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// State is what one image is at one tree: the keys of its layers, and where each
// comes from. A record keeps it, so it is stored as JSON.
type State struct {
	Name      string        `json:"name"`
	Tags      []string      `json:"tags,omitempty"`
	Def       Definition    `json:"definition"`
	Layers    []StateLayer  `json:"layers,omitempty"`
	Output    Digest        `json:"output"`            // key of the root filesystem; "" when it is empty
	OwnOutput Digest        `json:"floor"`             // the same, of all but what is only copied from other stages and images
	Config    Digest        `json:"config"`            // of the image config, without times and root filesystem, and of what else goes with the image
	Parents   []Parent      `json:"parents,omitempty"` // by image, then reference
	Bases     []ExternalRef `json:"bases,omitempty"`   // external images, by reference
	Err       *Fault        `json:"error,omitempty"`
	Blame     string        `json:"blame,omitempty"` // the parent whose error Err repeats
	Warnings  []string      `json:"warnings,omitempty"`
	Unjudged  bool          `json:"unjudged,omitempty"` // as Graph.Unjudged, or a file cannot be read
	Assumed   []string      `json:"assumed,omitempty"`  // as Graph.Assumed, with those of what it is built on

	// config of the image with its output as diff id, for those built on it; nil
	// when the Dockerfile could not be read.
	base []byte
	// unread says that something could not be read: no two such states are the same.
	unread bool
	// readings of the layers, for the paths behind a change.
	readings map[Digest]*Reading
	// takesGit are the instructions that copy .git without naming it.
	takesGit []gitTaken
}

// Definition is what of an image's definition can change its build.
type Definition struct {
	Dockerfile string            `json:"dockerfile,omitempty"`
	Context    string            `json:"context,omitempty"`
	Target     string            `json:"target,omitempty"`
	Args       map[string]string `json:"args,omitempty"` // without those left out of the comparison
	Text       Digest            `json:"text,omitempty"` // of the Dockerfile
	Rest       Digest            `json:"rest,omitempty"` // of all else: labels, named contexts, platforms, ...
}

// definition is what of an image's definition is compared.
func definition(im Image) Definition {
	d := Definition{Dockerfile: im.Dockerfile, Context: im.Context, Target: im.Target, Args: maps.Clone(im.Args)}
	for _, name := range im.IgnoreArgs {
		delete(d.Args, name)
	}
	rest := im
	rest.Name, rest.Tags, rest.Refs, rest.Origin, rest.DerivedOf = "", nil, nil, "", ""
	rest.Dockerfile, rest.Context, rest.Target, rest.Args, rest.IgnoreArgs = "", "", "", nil, nil
	rest.OnSuccess, rest.Unwanted, rest.Unpoliced, rest.Apart, rest.Unshown = "", false, false, "", false
	rest.Fault, rest.FaultOfTag = nil, false
	d.Rest = DigestOf("definition", imageText(rest))
	return d
}

// imageText is an image as a text that no other image has.
func imageText(im Image) string {
	dt, err := json.Marshal(im)
	if err != nil { // plain strings and lists always marshal
		return fmt.Sprint(im)
	}
	if bytes.Contains(dt, []byte(`\ufffd`)) { // so it writes every byte that is no UTF-8
		dt = fmt.Appendf(dt, "%#v", im)
	}
	return string(dt)
}

// epochArg is the time that BuildKit gives an image and its history, whatever its
// Dockerfile makes of the argument (exporter/containerimage/exptypes).
const epochArg = "SOURCE_DATE_EPOCH"

// exported says what of an image's definition changes neither its layers nor its config
// but what is exported around them: nothing for most images.
func exported(im Image) []string {
	var parts []string
	add := func(kind string, list []string) {
		if len(list) > 0 {
			parts = append(append(parts, kind), list...)
		}
	}
	add("attest", slices.Sorted(slices.Values(im.Attest)))
	add("annotations", slices.Sorted(slices.Values(im.Annotations)))
	for _, key := range slices.Sorted(maps.Keys(im.Export)) {
		add("export", []string{key, im.Export[key]})
	}
	if im.Indexed() {
		add("index", []string{""})
	}
	if epoch, ok := im.Args[epochArg]; ok && !slices.Contains(im.IgnoreArgs, epochArg) {
		add("epoch", []string{epoch})
	}
	return parts
}

// digest is equal for equal definitions.
func (d Definition) digest() Digest {
	dt, err := json.Marshal(d)
	if err != nil { // plain strings always marshal
		dt = fmt.Append(nil, d)
	}
	return DigestOf("whole definition", string(dt))
}

// DockerfileName is what the image's Dockerfile is called: see Image.DockerfileName.
func (s *State) DockerfileName() string {
	if s.Def.Dockerfile == "" {
		return inlineName(s.Name)
	}
	return s.Def.Dockerfile
}

// StateLayer is a layer with its key.
type StateLayer struct {
	Key         Digest      `json:"key"`
	OwnKey      Digest      `json:"floor"` // the same, of all but what is only copied from other stages and images
	Op          Digest      `json:"op"`
	Inputs      []int       `json:"inputs,omitempty"`
	Reads       []StateRead `json:"reads,omitempty"`
	From        string      `json:"from,omitempty"`
	FromKey     Digest      `json:"from_key,omitempty"`
	Stage       string      `json:"stage,omitempty"`
	File        string      `json:"file,omitempty"`
	Line        int         `json:"line,omitempty"`
	Instruction string      `json:"instruction,omitempty"`
	Name        string      `json:"name,omitempty"`
	Always      bool        `json:"always,omitempty"`
	Remote      bool        `json:"remote,omitempty"`
	Link        bool        `json:"link,omitempty"`   // as Layer.Link
	Inline      bool        `json:"inline,omitempty"` // as Layer.Inline
}

// TakesNothing tells whether a step has nothing to work on, as a WORKDIR right after FROM
// scratch: BuildKit does it in each build that needs it or what stands on it. Seen on
// engine 20.10 and buildkitd 0.34.
func (l StateLayer) TakesNothing() bool {
	return len(l.Inputs) == 0 && len(l.Reads) == 0 && l.From == "" && !l.Remote
}

// StateRead is a selection with the digest of what it held.
type StateRead struct {
	Selection
	Digest Digest `json:"digest"`
	List   Digest `json:"list,omitempty"` // where a record keeps the list of its files
}

// Parent is an edge to an in-repo image that this one reads.
type Parent struct {
	Image     string `json:"image"`
	Ref       string `json:"ref"`
	FilesOnly bool   `json:"files_only,omitempty"` // its config is not taken
}

// ExternalRef is an image from outside the repository that this one reads.
type ExternalRef struct {
	Ref   string `json:"ref"`
	Key   Digest `json:"key"`
	Known bool   `json:"known"` // its real config was at hand
}

// ID names what a selection held: the same for the same selection with the same
// content, so that the list of its files can be kept under it.
func (r StateRead) ID() Digest {
	h := newHasher("read")
	for _, list := range [][]string{{r.Context, r.Path, string(r.Digest)}, r.Include, r.Exclude} {
		for _, s := range list {
			h.add(s)
		}
		h.add("")
	}
	return h.digest()
}

// Reading gives the files behind a read of this state, nil when they are not at
// hand (a state that comes from a record).
func (s *State) Reading(r StateRead) *Reading { return s.readings[r.ID()] }

// Readings lists what the image's layers read, each once.
func (s *State) Readings() []*Reading {
	var all []*Reading
	seen := map[Digest]bool{}
	for _, l := range s.Layers {
		for _, r := range l.Reads {
			if rd := s.Reading(r); rd != nil && !seen[r.ID()] {
				seen[r.ID()] = true
				all = append(all, rd)
			}
		}
	}
	return all
}

// Steps are the layers that a build may execute: all but local sources and
// images.
func (s *State) Steps() []StateLayer {
	var steps []StateLayer
	for _, l := range s.Layers {
		if l.step() {
			steps = append(steps, l)
		}
	}
	return steps
}

func (l StateLayer) step() bool {
	return l.From == "" && l.Listed()
}

// Listed tells whether a plan lists the layer: a plan's layers are those of the
// state that are listed, in the same order.
func (l StateLayer) Listed() bool {
	return l.Op != "local" && l.Op != "platforms" && l.Op != Everything
}

// Snapshot is the state of every image of a catalog at one tree.
type Snapshot struct {
	Catalog Catalog
	States  map[string]*State
	Order   []string // parents before dependents, else as in the catalog
}

// Without takes out the images that nobody wants, but those named and those that
// another one is built on.
func (s *Snapshot) Without(named []string) *Snapshot {
	needed := map[string]bool{}
	for _, n := range named {
		needed[n] = true
	}
	var out []string
	for _, name := range slices.Backward(s.Order) {
		if im, _ := s.Catalog.Image(name); im.Unwanted && !needed[name] {
			out = append(out, name)
			continue
		}
		for _, p := range s.ParentsOf(name) {
			needed[p] = true
		}
	}
	if len(out) == 0 {
		return s
	}
	gone := func(name string) bool { return slices.Contains(out, name) }
	t := &Snapshot{Catalog: s.Catalog, States: maps.Clone(s.States), Order: slices.DeleteFunc(slices.Clone(s.Order), gone)}
	t.Catalog.LeftOut = out
	t.Catalog.Images = slices.DeleteFunc(slices.Clone(s.Catalog.Images), func(im Image) bool { return gone(im.Name) })
	for _, name := range out {
		delete(t.States, name)
	}
	t.Catalog.Phases = slices.Clone(s.Catalog.Phases)
	for i, ph := range t.Catalog.Phases {
		t.Catalog.Phases[i].Images = slices.DeleteFunc(slices.Clone(ph.Images), gone)
	}
	return t
}

// ParentsOf lists the in-repo images that an image reads, each once, sorted.
func (s *Snapshot) ParentsOf(name string) []string {
	st := s.States[name]
	if st == nil {
		return nil
	}
	var names []string
	for _, p := range st.Parents {
		if len(names) == 0 || names[len(names)-1] != p.Image {
			names = append(names, p.Image)
		}
	}
	return names
}

// DependentsOf lists all images that an image reaches, in order.
func (s *Snapshot) DependentsOf(name string) []string {
	reached := map[string]bool{name: true}
	var names []string
	for _, n := range s.Order {
		for _, p := range s.ParentsOf(n) {
			if reached[p] && !reached[n] {
				reached[n] = true
				names = append(names, n)
			}
		}
	}
	return names
}
