package docker

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	digest "github.com/opencontainers/go-digest"

	"rebuild/impact"
)

// Unsupported says that a Dockerfile uses what the engine would take and
// silently ignore.
type Unsupported struct {
	Line    int    // in the Dockerfile; 0: of no line
	Step    string // "[2/5] COPY --exclude=*.md . ."
	What    string // "COPY --exclude"
	Version string // of the engine; "" when it is not known
}

// Error implements error.
func (u *Unsupported) Error() string {
	if u.Version == "" {
		return fmt.Sprintf("this engine ignores %s", u.What)
	}
	return fmt.Sprintf("docker engine %s ignores %s", u.Version, u.What)
}

// Unkept says that an image is to have what the engine cannot keep beside it: what
// stands in an index or in manifests of its own. buildx refuses the same of such an
// engine (build.toSolveOpt).
type Unkept struct {
	What   string // "docker-bake.hcl: attest type=sbom"
	Engine string // "docker engine 20.10.24"; "" when it is not known
}

// Error implements error.
func (u *Unkept) Error() string {
	return fmt.Sprintf("%s: %s cannot keep that: one with the containerd image store can, or a builder (--builder)", u.What, cmp.Or(u.Engine, "this engine"))
}

// need is a field of an operation that changes what the image holds, with the
// capability under which BuildKit says that it knows the field.
type need struct {
	cap  apicaps.CapID
	what string
}

// symbolicModes came with BuildKit 0.17, as the modes of "COPY --chmod=u+x" did. Their own,
// pb.CapFileCopyModeStringFormat, is never announced: it is defined and not registered.
const symbolicModes = pb.CapExecValidExitCode

// needs lists what an operation needs. The capabilities in a definition's own
// metadata do not serve: those of file operations are missing there
// (client/llb/fileop.go collects them before there are any actions), and most of
// the others do not matter to the image.
func needs(op *pb.Op) []need {
	var list []need
	for _, action := range op.GetFile().GetActions() {
		cp := action.GetCopy()
		if cp == nil {
			continue
		}
		if len(cp.ExcludePatterns) > 0 {
			list = append(list, need{pb.CapFileCopyIncludeExcludePatterns, "COPY and ADD --exclude"})
		}
		if len(cp.IncludePatterns) > 0 {
			list = append(list, need{pb.CapFileCopyIncludeExcludePatterns, "COPY --parents"})
		}
		if cp.ModeStr != "" {
			list = append(list, need{symbolicModes, "--chmod with a symbolic mode"})
		}
	}
	if exec := op.GetExec(); exec != nil {
		if len(exec.Secretenv) > 0 {
			list = append(list, need{pb.CapExecSecretEnv, "RUN --mount=type=secret,env="})
		}
		for _, m := range exec.Mounts {
			if m.GetTmpfsOpt().GetSize() > 0 {
				list = append(list, need{pb.CapExecMountTmpfsSize, "the size of RUN --mount=type=tmpfs"})
			}
		}
		if len(exec.CdiDevices) > 0 {
			list = append(list, need{pb.CapExecMetaCDI, "RUN --device"})
		}
	}
	if source := op.GetSource(); source != nil && source.Attrs[pb.AttrGitChecksum] != "" {
		list = append(list, need{pb.CapSourceGitChecksum, "ADD --checksum of a git repository"})
	}
	return list
}

// dropped finds a field of the definition that the frontend leaves out of every RUN where
// the engine's BuildKit does not know it (dockerfile2llb.dispatchRun), nil when there is
// none.
func dropped(im impact.Image, caps apicaps.CapSet) *Unsupported {
	for _, field := range []struct {
		need
		given bool
	}{
		{need{pb.CapExecMetaUlimit, "ulimits"}, len(im.Ulimits) > 0},
		{need{pb.CapExecMountTmpfsSize, "shm-size"}, im.ShmSize != ""},
	} {
		if field.given && caps.Supports(field.cap) != nil {
			return &Unsupported{What: strings.TrimSuffix(field.what+" of "+im.Origin, " of ")}
		}
	}
	return nil
}

// unsupported finds an operation that the engine's BuildKit would carry out
// wrongly, nil when there is none. Old engines do not refuse what they do not
// know.
func unsupported(def *pb.Definition, caps apicaps.CapSet) (*Unsupported, error) {
	if def == nil {
		return nil, nil
	}
	for _, dt := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(dt); err != nil {
			return nil, fmt.Errorf("build definition: %w", err)
		}
		for _, n := range needs(&op) {
			if caps.Supports(n.cap) == nil {
				continue
			}
			found := &Unsupported{What: n.what}
			found.Step, found.Line = placeOf(def, dt)
			return found, nil
		}
	}
	return nil, nil
}

// placeOf is an operation's name, and its line in the Dockerfile; 0 when it is of none.
func placeOf(def *pb.Definition, operation []byte) (step string, line int) {
	dgst := digest.FromBytes(operation).String()
	if meta := def.Metadata[dgst]; meta != nil {
		step = meta.Description["llb.customname"]
	}
	if def.Source != nil {
		line = firstLine(def.Source.Locations[dgst])
	}
	return step, line
}
