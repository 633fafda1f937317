package llb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher/ignorefile"
	digest "github.com/opencontainers/go-digest"

	"rebuild/impact"
)

// ownFrontends are the repositories whose Dockerfile syntax the linked frontend
// serves.
var ownFrontends = []string{"docker.io/docker/dockerfile", "docker.io/docker/dockerfile-upstream"}

// syntaxArg is the argument that goes before a "# syntax=" line
// (frontend/dockerfile/builder.Build).
const syntaxArg = "BUILDKIT_SYNTAX"

// foreign is a frontend that is not Docker's own, and what asks for it.
type foreign struct {
	ref  string
	line int    // of the Dockerfile; 0: none of it
	by   string // "# syntax=team/frontend"
}

// thirdPartyFrontend tells whether an argument or a "# syntax=" names a frontend that is
// not Docker's own, and which.
func thirdPartyFrontend(im impact.Image, text []byte) (foreign, bool) {
	f := foreign{by: "# syntax="}
	if arg, ok := im.Args[syntaxArg]; ok {
		f.ref, _, _ = strings.Cut(strings.TrimSpace(arg), " ")
		f.by = syntaxArg + "="
	} else if ref, _, loc, ok := parser.DetectSyntax(text); ok {
		f.ref = ref
		if len(loc) > 0 {
			f.line = loc[0].Start.Line
		}
	} else {
		return foreign{}, false
	}
	f.by += f.ref
	named, err := reference.ParseNormalizedNamed(f.ref)
	if err == nil && slices.Contains(ownFrontends, named.Name()) {
		return foreign{}, false
	}
	return f, true
}

// Frontend is the third-party frontend that an image's Dockerfile or arguments ask for, ""
// when it is Docker's own.
func Frontend(im impact.Image, text []byte) string {
	f, _ := thirdPartyFrontend(im, text)
	return f.ref
}

// foreignFrontend is the graph of an image that only somebody else's frontend
// can read: one layer that reads all of its context.
func foreignFrontend(ctx context.Context, im impact.Image, src dockerfile, read impact.ReadFile, frontend foreign) (*impact.Graph, error) {
	attrs, err := planAttrs(im)
	if err != nil {
		return nil, faultOf(im, err)
	}
	ignore, err := ignoreFile(ctx, im, read)
	if err != nil {
		return nil, &impact.Fault{Path: ignore.File, Cause: cause(err)}
	}
	whole := impact.Layer{
		Op:          impact.Digest(digest.FromString(fmt.Sprint("frontend ", frontend.ref, attrs, string(src.text)))),
		Reads:       append([]impact.Selection{{Context: im.Context, Ignore: ignore, Path: "/", Follow: true}}, namedFolders(im)...),
		File:        im.DockerfileName(),
		Line:        frontend.line,
		Instruction: frontend.by,
		Name:        "frontend " + frontend.ref,
	}
	at := im.DockerfileName()
	if frontend.line > 0 {
		at = fmt.Sprintf("%s:%d", at, frontend.line)
	}
	return &impact.Graph{
		Unjudged: true,
		Mentions: mentions(im, src.text, nil),
		Layers:   []impact.Layer{whole},
		Text:     impact.Digest(digest.FromBytes(src.text)),
		Warnings: []string{fmt.Sprintf("%s: image %s: the frontend %s is not Docker's own, so the image is taken to read all of its context",
			at, im.Name, frontend.ref)},
	}, nil
}

// readEverything puts a layer on top that reads all of the build context.
func readEverything(ctx context.Context, g *impact.Graph, im impact.Image, read impact.ReadFile) error {
	ignore, err := ignoreFile(ctx, im, read)
	if err != nil {
		return &impact.Fault{Path: ignore.File, Cause: cause(err)}
	}
	l := impact.Layer{
		Op:    impact.Everything,
		Reads: []impact.Selection{{Context: im.Context, Ignore: ignore, Path: "/", Follow: true}},
		File:  im.DockerfileName(),
		Name:  "its build context is ambiguous",
	}
	if g.Output >= 0 {
		l.Inputs = []int{g.Output}
	}
	g.Output = len(g.Layers)
	g.Layers = append(g.Layers, l)
	return nil
}

// remoteContext is the graph of an image whose context is a URL or a git
// reference: it changes when its definition does, and what it takes from the tree.
func remoteContext(ctx context.Context, im impact.Image, read impact.ReadFile) (*impact.Graph, error) {
	attrs, err := planAttrs(im)
	if err != nil {
		return nil, faultOf(im, err)
	}
	var src dockerfile
	if im.ReadsDockerfile() {
		if src, err = readDockerfile(ctx, im, read); err != nil {
			return nil, err
		}
	}
	whole := impact.Layer{
		Op:     impact.Digest(digest.FromString(fmt.Sprint("remote ", im.RemoteContext, im.Dockerfile, string(src.text), attrs))),
		Reads:  namedFolders(im),
		Remote: true,
		Name:   "load " + im.RemoteContext,
	}
	local := im.ReadsDockerfile() || len(im.Contexts) > 0
	g := &impact.Graph{
		Unjudged: local || !pinned(im.RemoteContext),
		Mentions: mentions(im, src.text, nil),
		Layers:   []impact.Layer{whole},
		Warnings: src.warnings,
	}
	when := "its definition changes"
	if local {
		when += ", or what it takes from here (its Dockerfile, named contexts, images)"
	}
	if im.ReadsDockerfile() {
		g.Text, g.Layers[0].File = impact.Digest(digest.FromBytes(src.text)), im.DockerfileName()
	}
	g.Warnings = append(g.Warnings, fmt.Sprintf("image %s: the context %s is remote, so the image is rebuilt only when %s", im.Name, im.RemoteContext, when))
	return g, nil
}

// namedFolders are all files of the named contexts that are folders.
func namedFolders(im impact.Image) []impact.Selection {
	var all []impact.Selection
	for _, c := range im.Contexts {
		if c.Dir != "" {
			all = append(all, impact.Selection{Context: c.Dir, Path: "/", Follow: true})
		}
	}
	return all
}

// pinned tells whether a remote context is a commit, which does not change.
func pinned(url string) bool {
	_, fragment, _ := strings.Cut(url, "#")
	ref, _, _ := strings.Cut(fragment, ":")
	return fullCommit.MatchString(ref)
}

var fullCommit = regexp.MustCompile(`^[0-9a-f]{40}$`)

// ignoreFile is the ignore file that applies to an image's build context, as
// frontend/dockerui/config.go finds it: NAME.dockerignore beside the Dockerfile,
// else .dockerignore in the context.
func ignoreFile(ctx context.Context, im impact.Image, read impact.ReadFile) (impact.Ignore, error) {
	names := []string{path.Join(im.Context, ".dockerignore")}
	if im.Inline == "" {
		names = []string{im.Dockerfile + ".dockerignore", names[0]}
	}
	for _, name := range names {
		dt, err := read(ctx, name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(dt) == 0 {
			continue
		}
		if err != nil {
			return impact.Ignore{File: name}, err
		}
		patterns, err := ignorefile.ReadAll(strings.NewReader(string(dt)))
		if err == nil {
			err = checkPatterns(name, string(dt), patterns)
		}
		return impact.Ignore{File: name, Patterns: patterns}, err
	}
	return impact.Ignore{}, nil
}

// IgnoreText gives the text of the ignore file that applies to an image's build
// context, nil when there is none.
func IgnoreText(ctx context.Context, im impact.Image, read impact.ReadFile) ([]byte, error) {
	ignore, err := ignoreFile(ctx, im, read)
	if err != nil || ignore.File == "" {
		return nil, err
	}
	return read(ctx, ignore.File)
}
