package main

import (
	"bytes"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// proxy passes connections on to a socket until it is cut, and again once it is open
// again.
type proxy struct {
	path, target string

	mu       sync.Mutex        // guards all below
	listener net.Listener      // nil: cut
	conns    map[net.Conn]bool // both ends of each connection
	calls    int
	answers  func(io.Reader) io.Reader // what becomes of the engine's answers; nil: nothing
}

// Write counts the requests that pass: each starts with a line that ends so.
func (p *proxy) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls += bytes.Count(b, []byte(" HTTP/1.1\r\n"))
	return len(b), nil
}

func newProxy(t *testing.T, host string) *proxy {
	t.Helper()
	target, ok := strings.CutPrefix(host, "unix://")
	if !ok {
		t.Skipf("the engine is not on a unix socket: %s", host)
	}
	p := &proxy{path: filepath.Join(t.TempDir(), "proxy.sock"), target: target}
	p.open(t)
	t.Cleanup(p.cut)
	return p
}

// open is the engine coming back; it does nothing to one that is there.
func (p *proxy) open(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		return
	}
	l, err := net.Listen("unix", p.path)
	if err != nil {
		t.Fatal(err)
	}
	p.listener, p.conns = l, map[net.Conn]bool{}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go p.pass(l, in)
		}
	}()
}

// pass carries one connection, which a listener gave, to its end.
func (p *proxy) pass(l net.Listener, in net.Conn) {
	defer in.Close()
	out, err := net.Dial("unix", p.target)
	if err != nil {
		return
	}
	defer out.Close()
	if !p.add(l, in, out) {
		return // it was cut meanwhile
	}
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(out, io.TeeReader(in, p)); halfClose(out) })
	both.Go(func() { _, _ = io.Copy(in, p.answer(out)); halfClose(in) })
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, in)
	delete(p.conns, out)
}

func (p *proxy) answer(from io.Reader) io.Reader {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answers == nil {
		return from
	}
	return p.answers(from)
}

func (p *proxy) add(l net.Listener, in, out net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != l {
		return false
	}
	p.conns[in], p.conns[out] = true, true
	return true
}

func halfClose(c net.Conn) {
	if u, ok := c.(*net.UnixConn); ok {
		_ = u.CloseWrite() // it may have been cut
	}
}

// cut is the engine going away.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil {
		return
	}
	_ = p.listener.Close()
	p.listener = nil
	for c := range p.conns {
		_ = c.Close()
	}
}
