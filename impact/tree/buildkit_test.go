//go:build linux

package tree

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/containerd/v2/core/diff/apply"
	ctdmetadata "github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/containerd/v2/plugins/diff/walking"
	"github.com/containerd/containerd/v2/plugins/snapshots/native"
	"github.com/moby/buildkit/cache"
	"github.com/moby/buildkit/cache/contenthash"
	"github.com/moby/buildkit/cache/metadata"
	"github.com/moby/buildkit/snapshot"
	containerdsnapshot "github.com/moby/buildkit/snapshot/containerd"
	"github.com/moby/buildkit/util/leaseutil"
	"github.com/tonistiigi/fsutil"
	fscopy "github.com/tonistiigi/fsutil/copy"
	fstypes "github.com/tonistiigi/fsutil/types"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"rebuild/impact"
)

// judge is the part of BuildKit that decides what a build context's files are
// worth: its file sync, its content hash and its copy, run here without a daemon.
type judge struct {
	t  *testing.T
	cm cache.Manager
}

// snapshotOf is a build context as BuildKit received it.
type snapshotOf struct {
	judge *judge
	ref   cache.ImmutableRef
	dir   string
}

func newJudge(t *testing.T) *judge {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	snapshotter, err := native.NewSnapshotter(filepath.Join(dir, "snapshots"))
	must(err)
	store, err := local.NewStore(dir)
	must(err)
	db, err := bolt.Open(filepath.Join(dir, "meta.db"), 0o644, &bolt.Options{NoSync: true, NoFreelistSync: true})
	must(err)
	mdb := ctdmetadata.NewDB(db, store, map[string]snapshots.Snapshotter{"native": snapshotter})
	md, err := metadata.NewStore(filepath.Join(dir, "metadata.db"))
	must(err)
	cm, err := cache.NewManager(cache.ManagerOpt{
		Snapshotter:    snapshot.FromContainerdSnapshotter("native", containerdsnapshot.NSSnapshotter("buildkit", mdb.Snapshotter("native")), nil),
		MetadataStore:  md,
		LeaseManager:   leaseutil.WithNamespace(ctdmetadata.NewLeaseManager(mdb), "buildkit"),
		ContentStore:   mdb.ContentStore(),
		Applier:        apply.NewFileSystemApplier(mdb.ContentStore()),
		Differ:         walking.NewWalkingDiff(mdb.ContentStore()),
		GarbageCollect: mdb.GarbageCollect,
		MountPoolRoot:  filepath.Join(dir, "mounts"),
	})
	must(err)
	t.Cleanup(func() {
		db.Close()
		md.Close()
		cm.Close()
	})
	return &judge{t, cm}
}

// receive is source/local's snapshot: the context is sent as a client sends it.
func (j *judge) receive(ctxFS fsutil.FS, excludes []string) *snapshotOf {
	j.t.Helper()
	ctx := j.t.Context()
	must := func(err error) {
		j.t.Helper()
		if err != nil {
			j.t.Fatal(err)
		}
	}
	mutable, err := j.cm.New(ctx, nil, nil, cache.CachePolicyRetain)
	must(err)
	mounts, err := mutable.Mount(ctx, false, nil)
	must(err)
	lm := snapshot.LocalMounter(mounts)
	dest, err := lm.Mount()
	must(err)
	cc, err := contenthash.GetCacheContext(ctx, mutable)
	must(err)

	filtered, err := fsutil.NewFilterFS(ctxFS, &fsutil.FilterOpt{
		ExcludePatterns: excludes,
		Map: func(_ string, st *fstypes.Stat) fsutil.MapResult {
			st.Uid, st.Gid = 0, 0
			return fsutil.MapResultKeep
		},
	})
	must(err)
	eg, egctx := errgroup.WithContext(ctx)
	there, back := make(chan []byte, 64), make(chan []byte, 64)
	eg.Go(func() error {
		defer close(there)
		return fsutil.Send(egctx, &wire{egctx, there, back}, filtered, nil)
	})
	eg.Go(func() error {
		return fsutil.Receive(egctx, &wire{egctx, back, there}, dest, fsutil.ReceiveOpt{
			NotifyHashed:  cc.HandleChange,
			ContentHasher: contenthash.NewFromStat,
		})
	})
	must(eg.Wait())
	must(lm.Unmount())
	must(contenthash.SetCacheContext(ctx, mutable, cc))
	ref, err := mutable.Commit(ctx)
	must(err)
	return &snapshotOf{j, ref, dest}
}

// wire is one end of a stream in memory.
type wire struct {
	ctx context.Context // fsutil.Stream gives it out
	out chan<- []byte
	in  <-chan []byte
}

func (w *wire) Context() context.Context { return w.ctx }

func (w *wire) SendMsg(m any) error {
	dt, err := proto.Marshal(m.(proto.Message))
	if err != nil {
		return err
	}
	select {
	case w.out <- dt:
		return nil
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
}

func (w *wire) RecvMsg(m any) error {
	select {
	case dt, ok := <-w.in:
		if !ok {
			return io.EOF
		}
		return proto.Unmarshal(dt, m.(proto.Message))
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
}

// checksum gives BuildKit's digest of a selection, or that it is absent, which is
// what its content hash or its copy fails of.
func (s *snapshotOf) checksum(sel impact.Selection) (digest string, absent bool) {
	s.judge.t.Helper()
	d, err := contenthash.Checksum(s.judge.t.Context(), s.ref, path.Join("/", sel.Path), contenthash.ChecksumOpts{
		FollowLinks:     sel.Follow,
		Wildcard:        sel.Wildcard,
		IncludePatterns: sel.Include,
		ExcludePatterns: sel.Exclude,
		RequiredPaths:   sel.Required,
	}, nil)
	if err != nil {
		return "", true
	}
	err = s.copy(sel)
	at := (*os.PathError)(nil)
	switch {
	case err != nil && strings.Contains(err.Error(), "too many links"):
		return "", true
	case errors.As(err, &at) && strings.HasPrefix(at.Path, s.dir) && (errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)):
		return "", true // of the source; that folders of the destination collide is another matter
	}
	return d.String(), false
}

// copy is solver/llbsolver/file's docopy for COPY.
func (s *snapshotOf) copy(sel impact.Selection) error {
	dest := s.judge.t.TempDir()
	matches := []string{path.Join("/", sel.Path)}
	if sel.Wildcard {
		var err error
		if matches, err = fscopy.ResolveWildcards(s.dir, matches[0], sel.Follow); err != nil {
			return err
		}
	}
	for _, m := range matches {
		if err := fscopy.Copy(s.judge.t.Context(), s.dir, m, dest, "/to/", func(ci *fscopy.CopyInfo) {
			ci.IncludePatterns, ci.ExcludePatterns = sel.Include, sel.Exclude
			ci.CopyDirContents, ci.FollowLinks = true, sel.Follow
		}); err != nil {
			return err
		}
	}
	return nil
}
