package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Unrunnable says that a step runs a program of a platform that nothing there runs,
// natively or emulated. What is only copied can be of any platform.
type Unrunnable struct {
	Line     int    // in the Dockerfile; 0: of no line
	Step     string // "[linux/arm64 2/5] RUN make"
	Platform string
	Runs     []string // what the workers run, sorted
}

// Error implements error.
func (u *Unrunnable) Error() string {
	arch := platforms.MustParse(u.Platform).Architecture
	return fmt.Sprintf("it runs a program of %s, and here only %s are run: choose a builder that has it, or have it emulated (docker run --privileged --rm tonistiigi/binfmt --install %s)",
		u.Platform, strings.Join(u.Runs, ", "), arch)
}

// runnable is nil unless a step of the definition is one that no worker can run. Workers
// say themselves what they run, with what the system emulates; what a build hears of them
// may be older than an emulator, so that they are asked once more.
func (b *build) runnable(ctx context.Context, def *pb.Definition, workers []gateway.WorkerInfo) error {
	var runs []ocispecs.Platform
	for _, w := range workers {
		runs = append(runs, w.Platforms...)
	}
	found, err := unrunnable(def, runs)
	if found == nil || err != nil {
		return err
	}
	now, err := b.link.ListWorkers(ctx)
	if err != nil {
		return nil // the step itself will say
	}
	runs = nil
	for _, w := range now {
		runs = append(runs, w.Platforms...)
	}
	if found, err = unrunnable(def, runs); found != nil {
		return found
	}
	return err
}

// unrunnable finds a step that needs another platform than those that are run, nil when there
// is none.
func unrunnable(def *pb.Definition, runs []ocispecs.Platform) (*Unrunnable, error) {
	if def == nil || len(runs) == 0 {
		return nil, nil
	}
	for _, dt := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(dt); err != nil {
			return nil, fmt.Errorf("build definition: %w", err)
		}
		if op.GetExec() == nil || op.Platform == nil {
			continue
		}
		need := platforms.Normalize(op.Platform.Spec())
		if slices.ContainsFunc(runs, func(p ocispecs.Platform) bool { return platforms.Only(p).Match(need) }) {
			continue
		}
		found := &Unrunnable{Platform: platforms.Format(need)}
		for _, p := range runs {
			found.Runs = append(found.Runs, platforms.Format(p))
		}
		slices.Sort(found.Runs)
		found.Runs = slices.Compact(found.Runs)
		found.Step, found.Line = placeOf(def, dt)
		return found, nil
	}
	return nil, nil
}
