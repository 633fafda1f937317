package docker

import (
	"fmt"

	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/proto"
)

// output is what one operation of a definition gives to others.
type output struct {
	operation string // digest
	index     int64
}

// rewriting makes another definition of one: operations are changed, or the result of
// other definitions stands in their place.
type rewriting struct {
	// change is given each operation, and tells whether it changed it. Instead of an
	// operation, the result of the definition that it gives is taken.
	change func(*pb.Op) (changed bool, instead *pb.Definition, err error)

	out     *pb.Definition
	present map[string]bool   // operations of out
	renamed map[string]string // digest of an operation -> the new one
	results map[string]output // digest of an operation -> what stands in its place
}

// rewritten is a definition after change; what is given is not changed itself. The lines
// and names of its operations stay; of what stands in place of others the names do.
func rewritten(def *pb.Definition, change func(*pb.Op) (changed bool, instead *pb.Definition, err error)) (*pb.Definition, error) {
	if def == nil {
		return nil, nil
	}
	r := &rewriting{
		change: change, out: &pb.Definition{Metadata: map[string]*pb.OpMetadata{}},
		present: map[string]bool{}, renamed: map[string]string{}, results: map[string]output{},
	}
	for _, dt := range def.Def { // inputs come before those that take them
		if err := r.add(dt, def.Metadata); err != nil {
			return nil, fmt.Errorf("build definition: %w", err)
		}
	}
	if def.Source != nil {
		r.out.Source = &pb.Source{Infos: def.Source.Infos, Locations: make(map[string]*pb.Locations, len(def.Source.Locations))}
		for dgst, where := range def.Source.Locations {
			if name, ok := r.renamed[dgst]; ok {
				dgst = name
			}
			r.out.Source.Locations[dgst] = where
		}
	}
	return r.out, nil
}

func (r *rewriting) add(dt []byte, metadata map[string]*pb.OpMetadata) error {
	var op pb.Op
	if err := op.UnmarshalVT(dt); err != nil {
		return err
	}
	was := digest.FromBytes(dt).String()
	changed := false
	for _, in := range op.Inputs {
		if name, ok := r.renamed[in.Digest]; ok {
			in.Digest, changed = name, true
		}
		if result, ok := r.results[in.Digest]; ok {
			in.Digest, in.Index, changed = result.operation, result.index, true
		}
	}
	also, instead, err := r.change(&op)
	if err != nil {
		return err
	}
	if instead != nil {
		r.results[was], err = r.embed(instead)
		return err
	}
	now := was
	if changed || also {
		if dt, err = (proto.MarshalOptions{Deterministic: true}).Marshal(&op); err != nil {
			return err
		}
		now = digest.FromBytes(dt).String()
		r.renamed[was] = now
	}
	r.put(dt, now, metadata[was])
	return nil
}

// embed takes another definition's operations up, less the last, which only names the
// result.
func (r *rewriting) embed(def *pb.Definition) (output, error) {
	last := len(def.Def) - 1
	if last < 0 {
		return output{}, fmt.Errorf("a definition without a result")
	}
	for _, dt := range def.Def[:last] {
		dgst := digest.FromBytes(dt).String()
		r.put(dt, dgst, def.Metadata[dgst])
	}
	var end pb.Op
	if err := end.UnmarshalVT(def.Def[last]); err != nil {
		return output{}, err
	}
	if len(end.Inputs) != 1 {
		return output{}, fmt.Errorf("a definition with %d results", len(end.Inputs))
	}
	return output{end.Inputs[0].Digest, end.Inputs[0].Index}, nil
}

func (r *rewriting) put(dt []byte, dgst string, meta *pb.OpMetadata) {
	if r.present[dgst] {
		return
	}
	r.present[dgst] = true
	r.out.Def = append(r.out.Def, dt)
	if meta != nil {
		r.out.Metadata[dgst] = meta
	}
}
