package docker

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc"
)

// sources hands a build the folders that it reads, as BuildKit's client does with
// SolveOpt.LocalMounts. fsutil's sender keeps up to 128 files that were asked for; when a
// build is cancelled while more are, it waits for its own workers, which have ended, and
// never ends itself. Here no more are asked for at once.
type sources struct {
	filesync.FileSyncServer
	notUTF8 atomic.Bool // the name of a file that was sent is none
}

// newSources gives folders by name; filter is called before each of them is read.
func newSources(mounts map[string]fsutil.FS, filter filesync.FilterOptFunc) (*sources, error) {
	dirs := filesync.StaticDirSource{}
	for name, files := range mounts {
		owned, err := fsutil.NewFilterFS(files, &fsutil.FilterOpt{Map: ownedByRoot})
		if err != nil {
			return nil, fmt.Errorf("build context %s: %w", name, err)
		}
		dirs[name] = owned
	}
	return &sources{FileSyncServer: filesync.NewFSSyncProvider(dirs, filter).(filesync.FileSyncServer)}, nil
}

// ownedByRoot is as BuildKit's client has it (client.prepareSyncedFiles).
func ownedByRoot(_ string, st *types.Stat) fsutil.MapResult {
	st.Uid, st.Gid = 0, 0
	return fsutil.MapResultKeep
}

// Register implements session.Attachable.
func (s *sources) Register(server *grpc.Server) { filesync.RegisterFileSyncServer(server, s) }

// DiffCopy implements filesync.FileSyncServer.
func (s *sources) DiffCopy(stream filesync.FileSync_DiffCopyServer) error {
	return s.FileSyncServer.DiffCopy(&pacedStream{FileSync_DiffCopyServer: stream, of: s, moved: make(chan struct{}, 1)})
}

const (
	mostAsked = 100         // files, of the 128 that the sender has room for
	stalled   = time.Second // without a byte: the sender may have given up, and is to look
)

// pacedStream takes no more requests for files while many are waiting.
type pacedStream struct {
	filesync.FileSync_DiffCopyServer
	of    *sources
	asked atomic.Int64  // files that were asked for and not sent to their end
	moved chan struct{} // something was sent
}

// RecvMsg implements fsutil.Stream.
func (s *pacedStream) RecvMsg(m any) error {
	if err := s.wait(s.Context()); err != nil {
		return err
	}
	err := s.FileSync_DiffCopyServer.RecvMsg(m)
	if p, ok := m.(*types.Packet); ok && err == nil && p.Type == types.PACKET_REQ {
		s.asked.Add(1)
	}
	return err
}

func (s *pacedStream) wait(ctx context.Context) error {
	if s.asked.Load() < mostAsked {
		return nil
	}
	timer := time.NewTimer(stalled)
	defer timer.Stop()
	for s.asked.Load() >= mostAsked {
		timer.Reset(stalled)
		select {
		case <-s.moved:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// SendMsg implements fsutil.Stream.
func (s *pacedStream) SendMsg(m any) error {
	err := s.FileSync_DiffCopyServer.SendMsg(m)
	switch p, ok := m.(*types.Packet); {
	case !ok:
	case p.Type == types.PACKET_DATA && len(p.Data) == 0:
		s.asked.Add(-1)
	case p.Type == types.PACKET_STAT && p.Stat != nil && !utf8.ValidString(p.Stat.Path+p.Stat.Linkname):
		s.of.notUTF8.Store(true)
	}
	select {
	case s.moved <- struct{}{}:
	default:
	}
	return err
}
