package tree

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
)

// pipe is a git command that answers many questions on its standard input, one
// after the other. It is started by the first question and ends when its input
// is closed, at the latest with this process.
type pipe struct {
	program program
	args    []string

	mu     sync.Mutex // held for a whole question; guards all fields below
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
	closed bool
}

var errClosed = errors.New("the repository is closed")

// ask writes a question and reads its answer. After an error the command is
// ended, so that no later answer is taken for the wrong question.
func (p *pipe) ask(question []byte, answer func(*bufio.Reader) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.start(); err != nil {
		return err
	}
	// Written from the side: git answers the first lines of a long question
	// before it reads the last ones.
	written := make(chan error, 1)
	go func(in io.Writer) {
		_, err := in.Write(question)
		written <- err
	}(p.in)
	err := answer(p.out)
	if err == nil {
		err = <-written
	}
	if err == nil {
		return nil
	}
	p.in.Close()
	p.cmd.Process.Kill()
	p.cmd.Wait()
	text := p.stderr.String()
	p.cmd = nil
	return fmt.Errorf("%w", &programError{args: p.args, stderr: text, err: err, status: statusOf(text)})
}

// statusOf is 128, git's status for a fatal error, when it gave a reason.
func statusOf(stderr string) int {
	if stderr == "" {
		return -1
	}
	return 128
}

func (p *pipe) start() error {
	if p.closed {
		return errClosed
	}
	if p.cmd != nil {
		return nil
	}
	cmd := p.program.command(p.args)
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
	p.cmd, p.in, p.out = cmd, in, bufio.NewReaderSize(out, 1<<16)
	return nil
}

// close ends the command.
func (p *pipe) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.cmd == nil {
		return
	}
	p.in.Close()
	p.cmd.Wait()
	p.cmd = nil
}
