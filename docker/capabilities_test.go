package docker

import (
	"testing"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"

	"rebuild/impact"
)

// A capability that BuildKit never announces would refuse on every engine what all current
// ones do.
func TestCapabilitiesAreAnnounced(t *testing.T) {
	announced := pb.Caps.CapSet(pb.Caps.All())
	list := needs(&pb.Op{Op: &pb.Op_File{File: &pb.FileOp{Actions: []*pb.FileAction{{Action: &pb.FileAction_Copy{Copy: &pb.FileActionCopy{
		ExcludePatterns: []string{"x"}, IncludePatterns: []string{"x"}, ModeStr: "u+x",
	}}}}}}})
	list = append(list, needs(&pb.Op{Op: &pb.Op_Exec{Exec: &pb.ExecOp{
		Secretenv: []*pb.SecretEnv{{}}, CdiDevices: []*pb.CDIDevice{{}}, Mounts: []*pb.Mount{{TmpfsOpt: &pb.TmpfsOpt{Size: 1}}},
	}}})...)
	list = append(list, needs(&pb.Op{Op: &pb.Op_Source{Source: &pb.SourceOp{Attrs: map[string]string{pb.AttrGitChecksum: "x"}}}})...)
	if len(list) != 7 {
		t.Errorf("%d needs: %+v", len(list), list)
	}
	for _, n := range list {
		if err := announced.Supports(n.cap); err != nil {
			t.Errorf("%s: %v", n.what, err)
		}
	}
	limits := impact.Image{Ulimits: []string{"nofile=1"}, ShmSize: "1m"}
	if found := dropped(limits, announced); found != nil {
		t.Errorf("%v", found)
	}
	for _, id := range []apicaps.CapID{pb.CapMergeOp, pb.CapExecMetaLinuxResources} {
		if err := announced.Supports(id); err != nil {
			t.Error(err)
		}
	}
}
