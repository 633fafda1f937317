package tree

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// pipe is a git command that answers many questions on its standard input, one
// after the other. It is started by the first question and ends when its input
// is closed, at the latest with this process.
type pipe struct {
	program program
	args    []string

	// turn is held for a whole question: it guards all fields below. It is a channel, so
	// that who waits for it can give up.
	turn   chan struct{}
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.ReadCloser
	lines  *bufio.Reader // of out
	stderr bytes.Buffer
	closed bool
}

func newPipe(git program, args []string) *pipe {
	return &pipe{program: git, args: args, turn: make(chan struct{}, 1)}
}

var errClosed = errors.New("the repository is closed")

// closing is how long a command has to end when its input is closed. Only a filter that
// runs as long as git does (gitattributes(5)) can take long.
const closing = 300 * time.Millisecond

// ask writes a question and reads its answer. After an error the command is ended, so
// that no later answer is taken for the wrong question. When ctx ends, the command is
// killed with its children, and the error is that of ctx: a filter or a fetch may never
// come to its end.
func (p *pipe) ask(ctx context.Context, question []byte, answer func(*bufio.Reader) error) error {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.turn }()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.start(ctx); err != nil {
		return err
	}
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		p.kill()
	})
	// Written from the side: git answers the first lines of a long question
	// before it reads the last ones.
	written := make(chan error, 1)
	go func() {
		_, err := p.in.Write(question)
		written <- err
	}()
	err := answer(p.lines)
	if err != nil {
		p.kill() // or the writer may wait for ever
	}
	if werr := <-written; err == nil && werr != nil {
		err = werr
		p.kill()
	}
	if !stop() {
		<-killed
		p.end()
		return ctx.Err()
	}
	if err == nil {
		return nil
	}
	p.end()
	text := p.stderr.String()
	return &programError{args: p.args, stderr: text, err: err, status: statusOf(text)}
}

// statusOf is 128, git's status for a fatal error, when it gave a reason.
func statusOf(stderr string) int {
	if stderr == "" {
		return -1
	}
	return 128
}

func (p *pipe) start(ctx context.Context) error {
	if p.closed {
		return errClosed
	}
	if p.cmd != nil {
		return nil
	}
	// It outlives the question that starts it.
	cmd := p.program.command(context.WithoutCancel(ctx), p.args)
	p.stderr.Reset()
	cmd.Stderr = &p.stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("git %s: %w", p.args[0], err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("git %s: %w", p.args[0], err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("git %s: %w", p.args[0], err)
	}
	p.cmd, p.in, p.out, p.lines = cmd, in, out, bufio.NewReaderSize(out, 1<<16)
	return nil
}

// kill ends the command, its children, and whoever reads from it or writes to it. It
// may be called more than once, until the command is waited for.
func (p *pipe) kill() {
	_ = killSession(p.cmd.Process) // it may have ended
	_ = p.in.Close()
	_ = p.out.Close() // a child that went on by itself may hold the other end
}

// end waits for the command, which was killed. How it ends says nothing that its answers
// did not.
func (p *pipe) end() {
	_ = p.cmd.Wait()
	p.cmd = nil
}

// close ends the command when the question that it is at is answered.
func (p *pipe) close() {
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	p.closed = true
	if p.cmd == nil {
		return
	}
	_ = p.in.Close() // which is how it is told
	killed := make(chan struct{})
	late := time.AfterFunc(closing, func() {
		defer close(killed)
		p.kill()
	})
	_ = p.cmd.Wait() // nobody waits for an answer any more
	if !late.Stop() {
		<-killed
	}
	p.cmd = nil
}
