// Package llb turns an image's Dockerfile into its graph of layers, with
// BuildKit's own Dockerfile frontend: what dockerfile2llb says is what BuildKit
// will be asked to run. No other package imports it.
package llb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"rebuild/impact"
)

// Convert gives the layers of an image, read from a tree. What its FROMs and
// from-references stand for is asked of resolve, which may be called
// concurrently. Of an image that cannot be built the graph says why, with the line in the
// Dockerfile, and what it may read. An error is one of ctx, or that a parent is not known
// yet.
func Convert(ctx context.Context, im impact.Image, read impact.ReadFile, resolve impact.Resolve) (*impact.Graph, error) {
	g, err := layers(ctx, im, read, resolve)
	switch {
	case err == nil:
		if im.Fault != nil {
			g.Fault = im.Fault
		}
		return g, nil
	case isPending(err) || ctx.Err() != nil:
		return nil, err
	}
	fault := im.Fault
	if fault == nil && !errors.As(err, &fault) {
		fault = &impact.Fault{Path: im.DockerfileName(), Cause: cause(err)}
	}
	return withoutLayers(ctx, im, read, fault), nil
}

func isPending(err error) bool {
	var pending *impact.Pending
	return errors.As(err, &pending)
}

// layers converts an image's Dockerfile, with stand-ins for arguments that lack a value
// where that suffices.
func layers(ctx context.Context, im impact.Image, read impact.ReadFile, resolve impact.Resolve) (*impact.Graph, error) {
	switch {
	case im.Fault != nil && !im.FaultOfTag:
		return nil, im.Fault
	case im.RemoteContext != "":
		return remoteContext(ctx, im, read)
	}
	src, err := readDockerfile(ctx, im, read)
	if err != nil {
		return nil, err
	}
	if f := checkBounds(im, src); f != nil {
		return nil, f
	}
	if err := policy(ctx, im, read); err != nil {
		return nil, err
	}
	if frontend, ok := thirdPartyFrontend(im, src.text); ok {
		if frontend.ref == "" { // as buildx has it (build.toSolveOpt)
			return nil, &impact.Fault{Path: im.Dockerfile, Cause: syntaxArg + " is empty: it names no frontend", Hint: "take the argument away"}
		}
		return foreignFrontend(ctx, im, src, read, frontend)
	}
	g, err := convert(ctx, im, src, read, resolve)
	var fault *impact.Fault
	if errors.As(err, &fault) && !isPending(err) {
		if g, failed := withStandIns(ctx, im, src, read, resolve, fault); g != nil || failed != nil {
			return g, failed
		}
	}
	return g, err
}

// policy refuses the policy that buildx finds beside a Dockerfile (build.LoadInputs): it may
// forbid what would be built, and is not applied here.
func policy(ctx context.Context, im impact.Image, read impact.ReadFile) error {
	if im.Unpoliced || im.Inline != "" {
		return nil
	}
	name := im.Dockerfile + ".rego"
	if _, err := read(ctx, name); err != nil {
		return nil // it is not there, or buildx could not read it either
	}
	return &impact.Fault{Path: name, Cause: "a policy is applied by buildx alone", Hint: "build the image with docker buildx, or rename " + name}
}

func convert(ctx context.Context, im impact.Image, src dockerfile, read impact.ReadFile, resolve impact.Resolve) (*impact.Graph, error) {
	gw, err := newGateway(im, src, read, resolve)
	if err != nil {
		return nil, err
	}
	if im.RemoteContext == "" {
		ignore, err := ignoreFile(ctx, im, read)
		var tooMany *impact.Fault
		switch {
		case errors.As(err, &tooMany):
			return nil, tooMany
		case errors.Is(err, fs.ErrInvalid): // no build begins with such a one
			return nil, &impact.Fault{Path: ignore.File, Cause: cause(err)}
		}
	}
	bc, err := dockerui.NewClient(gw)
	if err != nil {
		return nil, faultOf(im, err)
	}
	entry, err := bc.ReadEntrypoint(ctx, "Dockerfile")
	if err != nil {
		return nil, faultOf(im, err)
	}

	platforms := make([]*ocispecs.Platform, 0, len(bc.TargetPlatforms))
	for i := range bc.TargetPlatforms {
		platforms = append(platforms, &bc.TargetPlatforms[i])
	}
	if len(platforms) == 0 {
		platforms = append(platforms, nil)
	}
	g := &impact.Graph{Output: -1, Text: impact.Digest(digest.FromBytes(src.text))}
	for i, p := range platforms {
		opt := convertOpt(bc, entry, gw, p)
		var linted *violations
		if i == 0 { // as a build does
			linted = lint(&opt, bc, entry)
		}
		res, err := dockerfile2llb.Dockerfile2LLB(ctx, entry.Data, opt)
		if err != nil {
			if bad := badIgnore(ctx, im, read); bad != nil {
				return nil, bad
			}
			return nil, linted.fault(im, err)
		}
		def, err := res.State.Marshal(ctx, llb.WithCaps(gw.BuildOpts().LLBCaps))
		if err != nil {
			if line := notUTF8(src.text); line > 0 { // in what no lexer reads: a command
				return nil, &impact.Fault{Path: im.DockerfileName(), Line: line, Cause: "it is not UTF-8: " + cause(err)}
			}
			return nil, faultOf(im, err)
		}
		config, err := normalConfig(res.Image)
		if err != nil {
			return nil, faultOf(im, err)
		}
		if err := addVertices(g, def, gw, src); err != nil {
			return nil, faultOf(im, err)
		}
		g.Config = append(g.Config, config...)
	}
	if unknown := gw.unjudged(g); unknown || im.Ambiguous {
		g.Unjudged = unknown
		if err := readEverything(ctx, g, im, read); err != nil {
			return nil, err
		}
	}
	g.Warnings = slices.Concat(src.warnings, gw.unusedContexts())
	g.Refs = gw.references()
	return g, nil
}

// normalConfig drops from an image's config what two builds of the same inputs
// may differ in: its root filesystem (the layers' keys tell it) and times.
func normalConfig(image any) ([]byte, error) {
	dt, err := json.Marshal(image)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	if err := json.Unmarshal(dt, &m); err != nil {
		return nil, err
	}
	delete(m, "rootfs")
	delete(m, "created")
	if history, ok := m["history"].([]any); ok {
		for _, h := range history {
			if h, ok := h.(map[string]any); ok {
				delete(h, "created")
			}
		}
	}
	return json.Marshal(m)
}

// dockerfile is the text that a build is given, and where its lines stand.
type dockerfile struct {
	path     string // in the tree, or the name of an inline one
	inline   bool
	unshown  bool // as impact.Image.Unshown
	text     []byte
	given    []byte // to BuildKit instead of the text, line for line; nil: the text
	lines    []string
	stages   []stageStart
	linked   map[int]bool // the lines on which a COPY or ADD --link starts
	warnings []string
}

type stageStart struct {
	line int
	name string
}

// bytes is the text as BuildKit is given it.
func (d dockerfile) bytes() []byte {
	if d.given != nil {
		return d.given
	}
	return d.text
}

func readDockerfile(ctx context.Context, im impact.Image, read impact.ReadFile) (dockerfile, error) {
	src := dockerfile{path: im.DockerfileName(), inline: im.Inline != "", unshown: im.Unshown, text: []byte(im.Inline)}
	if im.Inline == "" {
		text, err := readEither(ctx, im.Dockerfile, read)
		if err != nil {
			return dockerfile{}, noDockerfile(im, err)
		}
		src.text = text
	}
	if len(src.text) > maxText {
		return dockerfile{}, &impact.Fault{Path: src.path, Cause: fmt.Sprintf("Dockerfile is larger than %d MiB", maxText>>20)}
	}
	for _, s := range im.Substitute {
		if !strings.Contains(string(src.text), s.Old) && !src.unshown {
			src.warnings = append(src.warnings, fmt.Sprintf("%s: image %s: nothing to substitute: the text %q is not there", src.path, im.Name, s.Old))
		}
		if n := strings.Count(string(src.text), s.Old); len(src.text)+n*(len(s.New)-len(s.Old)) > maxText {
			return dockerfile{}, &impact.Fault{Path: src.path, Cause: fmt.Sprintf("image %s: substitute makes it larger than %d MiB", im.Name, maxText>>20)}
		}
		src.text = []byte(strings.ReplaceAll(string(src.text), s.Old, s.New))
	}
	if line := notUTF8(src.text); line > 0 {
		src.warnings = append(src.warnings, fmt.Sprintf("%s:%d: it is not UTF-8: BuildKit reads each such byte as U+FFFD", src.path, line))
	}
	src.outline()
	return src, nil
}

// readEither reads the Dockerfile or, as BuildKit does for the default name
// (frontend/dockerui/config.go), its lower-case spelling.
func readEither(ctx context.Context, name string, read impact.ReadFile) ([]byte, error) {
	text, err := read(ctx, name)
	if errors.Is(err, fs.ErrNotExist) && path.Base(name) == dockerui.DefaultDockerfileName {
		if lower, err := read(ctx, path.Join(path.Dir(name), strings.ToLower(dockerui.DefaultDockerfileName))); err == nil {
			return lower, nil
		}
	}
	return text, err
}

// Text gives the Dockerfile as a build of the image is given it: read from the
// tree or inline, with substitutions made.
func Text(ctx context.Context, im impact.Image, read impact.ReadFile) ([]byte, error) {
	src, err := readDockerfile(ctx, im, read)
	return src.text, err
}

// outline notes where the text's stages start, and which instructions are linked. An
// error in the text is the conversion's to report.
func (d *dockerfile) outline() {
	d.lines = strings.Split(string(d.text), "\n")
	res, err := parser.Parse(strings.NewReader(string(d.text)))
	if err != nil {
		return
	}
	d.linked = map[int]bool{}
	for _, n := range res.AST.Children {
		switch strings.ToLower(n.Value) {
		case "from":
			s := stageStart{line: n.StartLine, name: fmt.Sprintf("stage-%d", len(d.stages))}
			if as := n.Next; as != nil && as.Next != nil && strings.EqualFold(as.Next.Value, "as") && as.Next.Next != nil {
				s.name = as.Next.Next.Value
			}
			d.stages = append(d.stages, s)
		case "copy", "add":
			d.linked[n.StartLine] = isLinked(n)
		}
	}
}

// isLinked tells whether a COPY or ADD has the flag --link.
func isLinked(n *parser.Node) bool {
	instruction, err := instructions.ParseInstructionWithLinter(n, unheard)
	if err != nil {
		return false
	}
	switch c := instruction.(type) {
	case *instructions.CopyCommand:
		return c.Link
	case *instructions.AddCommand:
		return c.Link
	}
	return false
}

// stage is the name of the stage that a line lies in.
func (d dockerfile) stage(line int) string {
	after := sort.Search(len(d.stages), func(i int) bool { return d.stages[i].line > line })
	switch {
	case after == 0:
		return ""
	case d.unshown:
		return fmt.Sprintf("stage-%d", after-1)
	}
	return d.stages[after-1].name
}

// instruction is the text of the instruction on lines first to last: its first
// line, with " ..." for the rest.
func (d dockerfile) instruction(first, last int) string {
	if first < 1 || first > len(d.lines) {
		return ""
	}
	s := strings.TrimSpace(d.lines[first-1])
	if last > first {
		s = strings.TrimSpace(strings.TrimRight(s, "\\`")) + " ..."
	}
	return s
}
