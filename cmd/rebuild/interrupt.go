package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// How long a command may take to end after the first signal. What only reads is given up
// soon: a definition that multiplies, or a system call that waits, does not look at the
// context. What builds has builds to cancel; were it ended before, the next run would take
// away what it left.
const (
	graceReading = 800 * time.Millisecond
	graceActing  = 10 * time.Second
)

// actingKey is the key of a context's *atomic.Bool: whether the command does more than read.
type actingKey struct{}

// acts says that from now on the command does more than read: it builds, or runs a script.
func acts(ctx context.Context) {
	if acting, ok := ctx.Value(actingKey{}).(*atomic.Bool); ok {
		acting.Store(true)
	}
}

// interruptible is the program as a process: an interrupt or SIGTERM ends it, a second one at once.
// It gives the exit code.
func interruptible(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	acting := &atomic.Bool{}
	done := make(chan int, 1)
	go func() { done <- execute(context.WithValue(ctx, actingKey{}, acting), args, stdout, stderr) }()
	select {
	case code := <-done:
		return code
	case <-ctx.Done():
		stop() // the next signal is the system's to handle
	}
	grace := graceReading
	if acting.Load() {
		grace = graceActing
	}
	select {
	case code := <-done:
		return code
	case <-time.After(grace):
		return exitInterrupted
	}
}
