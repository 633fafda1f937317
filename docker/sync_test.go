package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc/metadata"
)

// asking is a builder that asks for each file of a folder, and takes what it is sent until
// its context ends.
type asking struct {
	filesync.FileSync_DiffCopyServer
	ctx   context.Context
	takes bool   // the content of files
	all   func() // called when all were taken
	files uint32
	sent  chan struct{} // closed when it knows all files

	asked, taken atomic.Uint32
}

func (a *asking) Context() context.Context { return a.ctx }

func (a *asking) RecvMsg(m any) error {
	<-a.sent
	if a.asked.Load() == a.files {
		<-a.ctx.Done()
		return context.Cause(a.ctx)
	}
	p := m.(*types.Packet)
	p.Type, p.ID = types.PACKET_REQ, a.asked.Load()
	a.asked.Add(1)
	return nil
}

func (a *asking) SendMsg(m any) error {
	switch p := m.(*types.Packet); {
	case p.Type == types.PACKET_STAT && p.Stat == nil:
		close(a.sent)
	case p.Type == types.PACKET_DATA && !a.takes:
		<-a.ctx.Done()
		return context.Cause(a.ctx)
	case p.Type == types.PACKET_DATA && len(p.Data) == 0:
		if a.taken.Add(1) == a.files {
			a.all()
		}
	}
	return nil
}

func manyFiles(t *testing.T, n int) fsutil.FS {
	dir := t.TempDir()
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%04d", i)), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := fsutil.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A build that is cancelled while files of it are sent leaves nothing behind.
func TestSyncEnds(t *testing.T) {
	const files = 1000
	s, err := newSources(map[string]fsutil.FS{"context": manyFiles(t, files)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(metadata.NewIncomingContext(t.Context(), metadata.Pairs("dir-name", "context")))
	stream := &asking{ctx: ctx, files: files, sent: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- s.DiffCopy(stream) }()
	stacks := make([]byte, 1<<20)
	for full := false; !full; { // until no more files are asked for
		runtime.Gosched()
		now := string(stacks[:runtime.Stack(stacks, true)])
		full = strings.Contains(now, "pacedStream).wait") || strings.Contains(now, "sender).queue")
	}
	if stream.asked.Load() > 128 {
		t.Errorf("%d files were asked for at once", stream.asked.Load())
	}
	cut := errors.New("cut off")
	cancel(cut)
	select {
	case err := <-ended:
		if !errors.Is(err, cut) && !errors.Is(err, context.Canceled) { // which of the two goroutines is first
			t.Errorf("%v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("it goes on:\n%s", stacks[:runtime.Stack(stacks, true)])
	}
}

// All files are sent, however many are asked for.
func TestSyncSendsAll(t *testing.T) {
	const files = 1000
	s, err := newSources(map[string]fsutil.FS{"context": manyFiles(t, files)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(metadata.NewIncomingContext(t.Context(), metadata.Pairs("dir-name", "context")))
	stream := &asking{ctx: ctx, files: files, sent: make(chan struct{}), all: cancel, takes: true}
	if err := s.DiffCopy(stream); !errors.Is(err, context.Canceled) || stream.taken.Load() != files {
		t.Errorf("%v, %d of %d files", err, stream.taken.Load(), files)
	}
	if err := s.DiffCopy(&asking{ctx: metadata.NewIncomingContext(t.Context(), metadata.Pairs("dir-name", "other"))}); err == nil || !strings.Contains(err.Error(), "no access") {
		t.Errorf("another folder: %v", err)
	}
}
