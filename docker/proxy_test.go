package docker_test

import (
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy is a socket before an engine's own, that can be cut, and counts.
type proxy struct {
	t            *testing.T
	path, behind string
	sent         atomic.Int64                 // bytes to the engine
	asked        atomic.Pointer[func([]byte)] // called with each part of what is sent, before it is

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
			go copyAndEnd(&counted{Conn: back, proxy: p}, front)
			go copyAndEnd(front, back)
		}
	}()
}

func copyAndEnd(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// counted is a connection to the engine.
type counted struct {
	net.Conn
	proxy *proxy
}

func (c *counted) Write(b []byte) (int, error) {
	if asked := c.proxy.asked.Load(); asked != nil {
		(*asked)(b)
	}
	n, err := c.Conn.Write(b)
	c.proxy.sent.Add(int64(n))
	return n, err
}

func (c *counted) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
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
