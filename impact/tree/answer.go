package tree

import (
	"io"
	"os"
	"time"
)

// answer collects what a command writes to one of its outputs: all that it wrote itself,
// also when a child of it goes on and holds the output open, and however late this process
// gets to read it. (exec.Cmd.WaitDelay gives up on what is not read by then, and a part of
// git's answer is a wrong answer.)
type answer struct {
	from, to *os.File
	text     []byte        // guarded by read
	read     chan struct{} // closed when nobody reads any more
}

func newAnswer() (*answer, error) {
	from, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &answer{from: from, to: to, read: make(chan struct{})}, nil
}

// begin reads. The command has been started, or could not be.
func (a *answer) begin() {
	_ = a.to.Close() // the command has its own
	go func() {
		defer close(a.read)
		a.text, _ = io.ReadAll(a.from) // what was read until then counts
	}()
}

// end gives what the command wrote, which has ended. What a child that goes on still writes
// is no part of it.
func (a *answer) end() []byte {
	defer a.from.Close()
	late := time.NewTimer(lingers)
	defer late.Stop()
	select {
	case <-a.read:
		return a.text
	case <-late.C:
	}
	if a.from.SetReadDeadline(time.Now()) != nil { // Windows has none for pipes
		<-a.read
		return a.text
	}
	<-a.read
	return append(a.text, unread(a.from)...)
}
