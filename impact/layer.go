package impact

// Layer is one vertex of an image's build graph.
type Layer struct {
	// What it does.
	Op       Digest      // of the operation, without inputs, names and places
	Inputs   []int       // the layers it takes, as indexes into Graph.Layers; all are smaller than its own
	Reads    []Selection // from build contexts, in the order of the operation
	From     string      // the normalised reference of an image it is (FROM, COPY --from, mounts); "" for others
	Compared []int       // those of Inputs that BuildKit compares by the files taken, not by their key
	Always   bool        // runs on each build (no-cache)
	Remote   bool        // what it holds is known only when it is fetched
	Link     bool        // of a COPY or ADD --link

	// Inline says that it holds nothing but what an instruction says, and has no place
	// and no name of its own: a heredoc, the folder of a cache mount.
	Inline bool

	// FilesOnly says of an image that only files are taken from it (COPY --from), not
	// its config.
	FilesOnly bool

	// Where it is written.
	Stage       string // "stage-0" or the name
	File        string // the Dockerfile, from the root of the tree
	Line        int    // 1-based; 0 when no line of the file made it
	Instruction string // as the file writes it; "" for what no instruction made
	Name        string // BuildKit's name for it in progress: "[stage-0 5/9] COPY shared/ /app/shared/"
}

// Everything is the operation of a layer that no build has, and no plan lists: it stands
// for what an image may read, nobody knows by which instruction.
const Everything Digest = "everything"

// Graph is an image's layers as the Dockerfile frontend makes them.
type Graph struct {
	Layers   []Layer
	Output   int      // the layer that is the image's root filesystem; -1: empty
	Config   []byte   // image config (OCI JSON) with history, without times and root filesystem
	Text     Digest   // of the Dockerfile, substitutions made
	Refs     []string // the references that were asked for, normalised
	Warnings []string

	// Fault says why the image cannot be built, though something is known of what it
	// reads; nil when it can be.
	Fault *Fault
	// Unjudged says that the layers are not those of a build: nobody could convert the
	// Dockerfile, so one layer reads everything that a build may read.
	Unjudged bool
	// Assumed are the arguments without a value that have a stand-in, sorted.
	Assumed []string
	// Mentions tells whether the image may be built on a reference, normalised, that Refs
	// does not have, since what it is built on is not known in full; nil: on none.
	Mentions func(ref string) bool
	// Otherwise counts instead of this graph where Mentions holds for an image of the
	// catalog; nil: this one does.
	Otherwise *Graph
}

// Base is what a reference in a Dockerfile stands for.
type Base struct {
	Image  string // the catalog's image, or "" for an external one
	Config []byte // OCI image config JSON
	Key    Digest // identity of its root filesystem
	OwnKey Digest // State.OwnOutput of the catalog's image
	Known  bool   // an external image whose config is real, not assumed

	// Unjudged says of the catalog's image that nobody knows its config, since it
	// cannot be built.
	Unjudged bool
}
