package docker_test

import (
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
)

// proxy is a socket before an engine's own, that can be cut.
type proxy struct {
	t            *testing.T
	path, behind string

	mu       sync.Mutex // guards all below
	listener net.Listener
	conns    []net.Conn
}

func newProxy(t *testing.T, behind string) *proxy {
	t.Helper()
	p := &proxy{t: t, path: filepath.Join(t.TempDir(), "d.sock"), behind: behind}
	p.listen()
	t.Cleanup(p.cut)
	return p
}

func (p *proxy) listen() {
	l, err := net.Listen("unix", p.path)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	go func() {
		for {
			front, err := l.Accept()
			if err != nil {
				return
			}
			back, err := net.Dial("unix", p.behind)
			if err != nil {
				front.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, front, back)
			p.mu.Unlock()
			go copyAndEnd(front, back)
			go copyAndEnd(back, front)
		}
	}()
}

func copyAndEnd(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// cut ends the listener and every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.listener.Close()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}
