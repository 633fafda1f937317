// Command rebuild keeps the Docker images of a repository up to date with the
// least work: it maps changed files to Dockerfile layers, to images, to all that
// is built on those, and rebuilds just that set.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(mainCode(os.Args[1:])) }

// mainCode runs the program and gives its exit code.
func mainCode(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	v := newVoice(os.Stdout, os.Stderr)
	return v.exit(ctx, newRoot(v, args).ExecuteContext(ctx))
}
