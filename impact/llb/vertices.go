package llb

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/proto"

	"rebuild/impact"
)

// addVertices appends a definition's vertices to the graph, inputs first, and
// sets its output.
func addVertices(g *impact.Graph, def *llb.Definition, gw *gatewayClient, src dockerfile) error {
	pbd := def.ToPB()
	index := map[string]int{}
	locals := map[int]impact.Selection{} // layers that are local sources
	for _, dt := range pbd.Def {
		op := &pb.Op{}
		if err := proto.Unmarshal(dt, op); err != nil {
			return fmt.Errorf("cannot read the frontend's definition: %w", err)
		}
		inputs := make([]int, len(op.Inputs))
		for i, in := range op.Inputs {
			at, ok := index[in.Digest]
			if !ok {
				return fmt.Errorf("the frontend's definition is out of order at %s", in.Digest)
			}
			inputs[i] = at
		}
		if op.Op == nil { // the last one: names the result
			if len(inputs) == 1 {
				g.Output = result(g, inputs[0], locals)
			}
			break
		}
		dgst := string(digest.FromBytes(dt))
		l := impact.Layer{Inputs: inputs, File: src.path}
		describe(&l, pbd, dgst, src)
		at := len(g.Layers)
		switch o := op.Op.(type) {
		case *pb.Op_Source:
			sourceLayer(&l, o.Source, op.Platform, gw, at, locals)
		case *pb.Op_File:
			fileLayer(&l, op, locals)
		case *pb.Op_Exec:
			execLayer(&l, op, locals)
		default:
			readWhole(&l, locals)
			l.Op = opDigest(op)
		}
		index[dgst] = at
		g.Layers = append(g.Layers, l)
	}
	return nil
}

// result is the layer that a definition yields. When that is a local source
// itself, its whole content is.
func result(g *impact.Graph, at int, locals map[int]impact.Selection) int {
	if sel, ok := locals[at]; ok {
		g.Layers[at].Reads = []impact.Selection{sel}
	}
	if g.Output >= 0 { // a further platform
		g.Layers = append(g.Layers, impact.Layer{Op: "platforms", Inputs: []int{g.Output, at}})
		return len(g.Layers) - 1
	}
	return at
}

// describe says where a vertex is written.
func describe(l *impact.Layer, def *pb.Definition, dgst string, src dockerfile) {
	meta := def.Metadata[dgst]
	l.Name = meta.GetDescription()["llb.customname"]
	l.Always = meta.GetIgnoreCache()
	for _, loc := range def.GetSource().GetLocations()[dgst].GetLocations() {
		if len(loc.Ranges) == 0 {
			continue
		}
		first, last := loc.Ranges[0], loc.Ranges[len(loc.Ranges)-1]
		l.Line = int(first.Start.Line)
		l.Stage, l.Link = src.stage(l.Line), src.linked[l.Line]
		if l.Instruction = src.instruction(l.Line, int(last.End.Line)); src.unshown {
			l.Instruction = firstWord(l.Instruction)
		}
		return
	}
}

// sourceLayer is a vertex without inputs: an image, a local source, or something
// remote.
func sourceLayer(l *impact.Layer, op *pb.SourceOp, platform *pb.Platform, gw *gatewayClient, at int, locals map[int]impact.Selection) {
	scheme, id, _ := strings.Cut(op.Identifier, "://")
	switch scheme {
	case "docker-image":
		l.From = id
		if named, err := reference.ParseNormalizedNamed(id); err == nil {
			l.From = reference.TagNameOnly(named).String()
		}
		// A vertex without a place is a named context's or a mount's: perhaps a base.
		l.FilesOnly = l.Line > 0 && !strings.EqualFold(firstWord(l.Instruction), "from")
		// The cache key of an image is its root filesystem, whatever its name.
		l.Op = impact.Digest("image " + platformString(platform))
	case "local":
		gw.mu.Lock()
		ignore := impact.Ignore{File: gw.ignores[id]}
		gw.mu.Unlock()
		if v := op.Attrs[pb.AttrExcludePatterns]; v != "" {
			// The frontend writes what it parsed, so this cannot fail but for its bugs; then
			// nothing is ignored, which only widens.
			_ = json.Unmarshal([]byte(v), &ignore.Patterns)
		}
		if len(ignore.Patterns) == 0 {
			ignore.File = ""
		}
		locals[at] = impact.Selection{Context: gw.dirs[id], Ignore: ignore, Path: "/", Follow: true}
		// Its name, session and hints are no part of what a reader of it sees.
		l.Op = "local"
	default:
		// git, http, oci-layout: what they hold is known only when they are fetched.
		clone := proto.Clone(op).(*pb.SourceOp)
		delete(clone.Attrs, pb.AttrOCILayoutSessionID)
		l.Op = messageDigest(clone)
		l.Remote = true
	}
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

func platformString(p *pb.Platform) string {
	if p == nil {
		return ""
	}
	return strings.Join([]string{p.OS, p.Architecture, p.Variant, p.OSVersion}, "/")
}

// fileLayer is a COPY, ADD, WORKDIR, or an inline document. As in BuildKit's
// solver/llbsolver/ops/file.go, a source that is copied from counts by the
// content that its selector covers, and by the last element of its path.
func fileLayer(l *impact.Layer, op *pb.Op, locals map[int]impact.Selection) {
	op = proto.Clone(op).(*pb.Op)
	l.Inline = l.Line == 0
	l.Compared = compared(op.GetFile().Actions, len(l.Inputs))
	for _, a := range op.GetFile().Actions {
		if sel, ok := localInput(l, a.Input, locals); ok {
			l.Reads = append(l.Reads, sel)
		}
		c := a.GetCopy()
		if c == nil {
			continue
		}
		sel, ok := localInput(l, a.SecondaryInput, locals)
		if !ok {
			continue
		}
		sel.Path = c.Src
		sel.Follow = c.FollowSymlink
		sel.Wildcard = c.AllowWildcard && impact.HasWildcard(c.Src)
		sel.Include = c.IncludePatterns
		sel.Exclude = c.ExcludePatterns
		sel.Required = c.RequiredPaths
		l.Reads = append(l.Reads, sel)
		c.Src = path.Base(c.Src)
	}
	l.Op = opDigest(op)
}

// compared lists the inputs that are only copied from.
func compared(actions []*pb.FileAction, inputs int) []int {
	var list []int
	for i := range inputs {
		from, onto := false, false
		for _, a := range actions {
			onto = onto || a.Input == int64(i)
			from = from || a.GetCopy() != nil && a.SecondaryInput == int64(i)
		}
		if from && !onto {
			list = append(list, i)
		}
	}
	return list
}

// execLayer is a RUN. As in BuildKit's solver/llbsolver/ops/exec.go a mount that
// yields nothing counts by the content below its selector; any other by the
// whole of its input.
func execLayer(l *impact.Layer, op *pb.Op, locals map[int]impact.Selection) {
	op = proto.Clone(op).(*pb.Op)
	exec := op.GetExec()
	for _, m := range exec.Mounts {
		if m.Input >= 0 && m.Output == int64(pb.SkipOutput) && m.Dest != pb.RootMount {
			l.Compared = append(l.Compared, int(m.Input))
		}
	}
	for _, m := range exec.Mounts {
		sel, ok := localInput(l, m.Input, locals)
		if !ok {
			continue
		}
		if m.Output == int64(pb.SkipOutput) && m.Selector != "" {
			sel.Path = path.Join("/", m.Selector)
			m.Selector = ""
		}
		l.Reads = append(l.Reads, sel)
	}
	exec.GetMeta().ProxyEnv = nil
	for _, h := range exec.GetMeta().GetExtraHosts() {
		h.IP = ""
	}
	l.Op = opDigest(op)
}

// readWhole makes a layer read all of each local source that it takes.
func readWhole(l *impact.Layer, locals map[int]impact.Selection) {
	for _, in := range l.Inputs {
		if sel, ok := locals[in]; ok {
			l.Reads = append(l.Reads, sel)
		}
	}
}

func localInput(l *impact.Layer, input int64, locals map[int]impact.Selection) (impact.Selection, bool) {
	if input < 0 || int(input) >= len(l.Inputs) {
		return impact.Selection{}, false
	}
	sel, ok := locals[l.Inputs[input]]
	return sel, ok
}

// opDigest is the digest of what an operation does: all of it but the digests of
// its inputs, whose keys the model adds.
func opDigest(op *pb.Op) impact.Digest {
	op = proto.Clone(op).(*pb.Op)
	for _, in := range op.Inputs {
		in.Digest = ""
	}
	op.Constraints = nil
	return messageDigest(op)
}

func messageDigest(m proto.Message) impact.Digest {
	dt, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil { // strings that are not UTF-8: no digest, so let it differ from all
		dt = []byte(fmt.Sprintf("%+v", m))
	}
	return impact.Digest(digest.FromBytes(slices.Concat([]byte("op "), dt)))
}
