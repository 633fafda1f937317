package impact

import (
	"encoding/hex"
	"regexp"
	"strconv"
)

// Image is one thing to build, as a definition states it. Paths are slash
// paths from the root of the tree ("." is the root); one that lies outside the
// tree is absolute.
type Image struct {
	Name string
	Tags []string // as the definition spells them

	// Refs are the references under which other images find this one: the
	// tags, normalised ("docker.io/library/x:latest"), in the order of Tags; for an
	// image without tags the one that a build gives it (see UntaggedRef).
	Refs []string

	Context       string // folder of the build context
	RemoteContext string // URL or git reference, instead of Context
	Dockerfile    string
	Inline        string // text of the Dockerfile, when the definition holds it
	Target        string // stage; "" is the last
	Args          map[string]string
	Labels        map[string]string
	Contexts      []NamedContext // by name
	Platforms     []string       // "" or none: that of the engine
	Substitute    []Substitution // applied to the Dockerfile's text, in order

	NoCache      bool
	NoCacheFor   []string // stages
	Pull         bool
	Network      string // "", "none", "host"
	Secrets      []string
	SSH          []string
	ExtraHosts   map[string]string
	Ulimits      []string
	ShmSize      string
	CacheFrom    []string
	CacheTo      []string
	Entitlements []string

	Attest      []string          `json:",omitempty"` // attestations that go with the image ("type=sbom"), one of a type
	Annotations []string          `json:",omitempty"` // of its manifest or index, as bake words them
	Export      map[string]string `json:",omitempty"` // what else an exporter is told of the image ("compression")
	Resources   map[string]string `json:",omitempty"` // what each step may use at most, in the frontend's words ("memory")
	Unpoliced   bool              `json:",omitempty"` // the definition switches policies off, that beside the Dockerfile too

	IgnoreArgs []string // build arguments left out of the comparison, never out of the build
	Origin     string   // the file that defines it, and how ("docker-bake.hcl", "rebuild.yaml: derived from asr-cuda")
	DerivedOf  string   // the image that it is derived from, or ""

	// Ambiguous says that nothing tells which folder is its build context: Context is
	// a guess, and the image is taken to read everything in it.
	Ambiguous bool `json:",omitempty"`

	// Apart is the folder, of tests, examples or what others wrote, in which its Dockerfile
	// was found; "" for none. Nobody's images are made of such, unless they are named.
	Apart string `json:",omitempty"`

	// SecretEnv are the values of variables that Secrets name and that are not in the
	// environment of the process: a compose project has them from its environment
	// files. They are no part of what is compared, and are printed nowhere.
	SecretEnv map[string]string `json:"-"`

	// LocalDockerfile says that Dockerfile lies in the tree though the context is remote.
	LocalDockerfile bool `json:",omitempty"`

	// Unshown says that its Dockerfile lies outside of the repository, and that nobody
	// allowed that: what it says is not printed. It is no part of what is compared.
	Unshown bool `json:",omitempty"`

	// Unwanted says that nobody wants it built or judged: it counts only where it is named,
	// and where others are built on it.
	Unwanted bool `json:",omitempty"`

	// OnSuccess is the command that a watch runs after each build of the image; ""
	// for none. It is no part of the build.
	OnSuccess string `json:",omitempty"`

	// Fault says why this image cannot be built as it is defined, nil when it can.
	// The others of its definition are not touched by it.
	Fault *Fault `json:",omitempty"`

	// FaultOfTag says that Fault is of a tag alone: what a build reads is known.
	FaultOfTag bool `json:",omitempty"`
}

// Indexed tells whether an argument asks for an index even of a single platform (buildx
// build.toSolveOpt).
func (im Image) Indexed() bool {
	on, err := strconv.ParseBool(im.Args["BUILDKIT_MULTI_PLATFORM"])
	return err == nil && on
}

// NamedContext is one entry of `--build-context`: exactly one of Image, Ref,
// Dir and URL is set.
type NamedContext struct {
	Name  string
	Image string // an image of the catalog ("target:x" of bake)
	Ref   string // an image reference ("docker-image://…"), perhaps of an image of the catalog
	Dir   string // a folder
	URL   string // git or http(s), oci-layout
}

// Substitution replaces a text of the Dockerfile, in memory.
type Substitution struct{ Old, New string }

// DockerfileName is what the Dockerfile is called for people: its path, or where the
// definition holds its text, a name.
func (im Image) DockerfileName() string {
	if im.Inline != "" {
		return inlineName(im.Name)
	}
	return im.Dockerfile
}

// ReadsDockerfile tells whether the Dockerfile comes from the tree or from the definition,
// not from a remote context.
func (im Image) ReadsDockerfile() bool {
	return im.RemoteContext == "" || im.Inline != "" || im.LocalDockerfile
}

// inlineName is the name of a Dockerfile that an image's definition holds.
func inlineName(image string) string { return "inline Dockerfile of " + image }

// UntaggedRef is the reference that a build gives an image without tags, so
// that others can be built on it. A name that no repository can have is spelt in
// hexadecimal digits.
func UntaggedRef(name string) string {
	if !repository.MatchString(name) {
		name = "x--" + hex.EncodeToString([]byte(name))
	}
	return "rebuild.local/" + name + ":latest"
}

// repository is what a part of a repository's path may be (distribution/reference
// regexp.go).
var repository = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$`)

// Catalog is all images of a repository at one tree, with their phases.
type Catalog struct {
	Images  []Image             // by definition order; names are unique
	Phases  []Phase             // as declared; none: by depth in the image graph
	Groups  map[string][]string // names on the command line that stand for several images
	Default []string            // what is selected without IMAGE; none: all
	// BadGroups are groups that name what is not there. The catalog is none the worse for
	// one, as long as nobody asks for it; "default" is asked for without IMAGE.
	BadGroups map[string]*Fault `json:",omitempty"`
	Warnings  []string
	LeftOut   []string // names of images that are not in it, since nobody wants them
	Files     []string // the definition files read, slash paths from the root or absolute

	// Values are those that came into it from outside of the repository. What it says for
	// people is without them.
	Values Values `json:"-"`
}

// Image gives the image of that name.
func (c Catalog) Image(name string) (Image, bool) {
	for _, im := range c.Images {
		if im.Name == name {
			return im, true
		}
	}
	return Image{}, false
}

// Names lists the images' names in definition order.
func (c Catalog) Names() []string {
	names := make([]string, len(c.Images))
	for i, im := range c.Images {
		names[i] = im.Name
	}
	return names
}

// Phase is a named, ordered group of images.
type Phase struct {
	Name     string   `json:"name"`
	Critical bool     `json:"critical"` // a failure here starts nothing more
	Optional bool     `json:"-"`        // left out by --skip-optional
	OnPush   string   `json:"-"`        // "build", "warn", "skip" or "" (build)
	Images   []string `json:"images"`
	Estimate *float64 `json:"estimate_s,omitempty"` // in a plan: seconds of its images alone
}
