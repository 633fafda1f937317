package session

import (
	"context"
	"fmt"
	"slices"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"rebuild/docker"
	"rebuild/impact"
)

// builders are, of several, those that answer, and for each image those that build it best;
// nil where there is one. Those that do not answer are left out with a warning.
func (s *Session) builders(ctx context.Context, cat impact.Catalog) (names []string, able map[string][]string, err error) {
	if len(s.engine.conn.Builders()) < 2 {
		return nil, nil, nil
	}
	var there []docker.BuilderState
	var silent []error
	for _, state := range s.engine.conn.BuilderStates(ctx) {
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		if state.Err != nil {
			silent = append(silent, state.Err)
			continue
		}
		there = append(there, state)
		names = append(names, state.Name)
	}
	if len(there) == 0 {
		return nil, nil, silent[0]
	}
	for _, err := range silent {
		s.warn(fmt.Sprintf("%v: the others build without it", err))
	}
	able = map[string][]string{}
	for _, im := range cat.Images {
		if list := ableTo(im, there); list != nil {
			able[im.Name] = list
		}
	}
	return names, able, nil
}

// ableTo are the builders that build an image best: those that run all of its platforms by
// themselves, or else those that have some emulated. Nil: all are as good.
func ableTo(im impact.Image, there []docker.BuilderState) []string {
	wanted, err := platforms.ParseAll(slices.DeleteFunc(slices.Clone(im.Platforms), func(p string) bool { return p == "" }))
	if err != nil || len(wanted) == 0 {
		return nil
	}
	var native, emulated []string
	for _, b := range there {
		switch {
		case runsAll(b.Native, wanted):
			native = append(native, b.Name)
		case runsAll(slices.Concat(b.Native, b.Emulated), wanted):
			emulated = append(emulated, b.Name)
		}
	}
	if len(native) > 0 {
		return native
	}
	return emulated
}

func runsAll(runs, wanted []ocispecs.Platform) bool {
	for _, w := range wanted {
		if !slices.ContainsFunc(runs, func(p ocispecs.Platform) bool { return platforms.Only(p).Match(w) }) {
			return false
		}
	}
	return true
}
