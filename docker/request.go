package docker

import (
	"slices"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/fsutil"

	"rebuild/impact"
)

// Request is one image to build.
type Request struct {
	Image impact.Image
	ID    string // of this build, by which Ended finds it; "": a new one

	// Builder is which of Engine.Builders builds it; "": the first.
	Builder string

	// Dockerfile is its final text. Nil with a remote context: the Dockerfile is
	// read there.
	Dockerfile     []byte
	DockerfileName string // its path, for messages
	Ignore         []byte // the ignore file in effect
	Frontend       string // a third-party frontend that the Dockerfile's syntax line asks for; "" is the linked one

	Context Source            // the zero value is an empty folder
	Named   map[string]Source // folders of named contexts, by the context's name
	Parents map[string]string // images of named contexts: name of the image -> reference to use

	// Ancestors are the images of the repository that it is built on, each after its own
	// ancestors, for a builder, which keeps none: they are made in this build, too, out of
	// the builder's cache.
	Ancestors []Request

	// Taken is where an ancestor that another builder made is in a registry
	// ("repository@digest"), from where it is taken instead of being made; "": nowhere.
	Taken string

	Refs    []string // references the image gets
	NoCache bool
	Pull    bool // ask registries for newer base images
	Push    bool // the references, after the build

	// Root is the folder where relative paths of secrets, caches and image
	// layouts start; "" is the working directory.
	Root string

	LogFile  string       // where the whole log is kept; "": nowhere
	Progress ProgressSink // nil: not shown
}

func (req *Request) hasAncestor(name string) bool {
	return slices.ContainsFunc(req.Ancestors, func(a Request) bool { return a.Image.Name == name })
}

// Source is a local folder that a build reads.
type Source struct {
	FS fsutil.FS

	// Key names the copy that the engine keeps of it. Two trees under one key mix
	// up files of equal size and time, and old engines digest a folder wrong when
	// something vanished from it: such a tree needs a key of its own. "" is a
	// fresh key, with which every file travels again.
	Key string
}

// ProgressSink takes a build's status as it comes. It must not change it.
type ProgressSink interface {
	Write(*client.SolveStatus)
}

// Result is what a build made.
type Result struct {
	ImageID    string
	Chain      []string      // diff ids of the root filesystem; of a builder: the image's digest alone
	Config     impact.Digest // of the config with its history, without times and root filesystem
	Made       Image         // as the engine shows it; zero of a builder
	ConfigJSON []byte        // OCI image config, with history and diff ids; nil for several platforms
	Steps      []Step        // in the order they were announced
	Warnings   []string
	Duration   time.Duration
	Again      []string // ancestors whose steps ran once more, as a builder had lost them: they may have come out others
	Pushed     string   // where a builder pushed it: "repository@digest"; "": nowhere
	CopiesLink bool     // the engine's BuildKit cannot merge, and takes COPY --link for a plain copy
}

// Step is a vertex of the build graph as it ran.
type Step struct {
	Digest    string // BuildKit's, of this build
	Name      string // "[stage-0 2/5] RUN make"
	Of        string // the image whose step it is, if that is an ancestor's; else ""
	Line      int    // in the Dockerfile; 0: of no line
	Executes  bool   // it does more than load an image, export or push
	Cached    bool
	Started   time.Time // zero: it never was
	Completed time.Time // zero: it never was
	Error     string
	Tail      []string // last lines of its log
}

// Ran tells whether the step was executed: it completed, and not from the cache.
func (s Step) Ran() bool { return !s.Completed.IsZero() && !s.Cached && s.Error == "" }

// Duration is how long the step took, 0 when it did not complete.
func (s Step) Duration() time.Duration {
	if s.Started.IsZero() || s.Completed.IsZero() {
		return 0
	}
	return s.Completed.Sub(s.Started)
}
