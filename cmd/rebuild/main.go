// Command rebuild keeps the Docker images of a repository up to date with the
// least work: it maps changed files to Dockerfile layers, to images, to all that
// is built on those, and rebuilds just that set.
package main

import (
	"context"
	"io"
	"os"
	"runtime/debug"

	"rebuild/cmd/rebuild/recording"
	"rebuild/cmd/rebuild/recording/standin"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/impact"
	"rebuild/impact/safefile"
)

// A plan lives for milliseconds and holds little: collecting its garbage at the
// usual pace costs a third of its time. The limit is for the one that holds much.
const (
	gcPercent  = 400
	softMemory = 120 << 20 // bytes
)

func main() {
	if folder, program, ok := standin.Called(os.Args[0]); ok { // "rebuild record" runs a script
		os.Exit(standin.Run(folder, program, os.Args[1:], recording.Evaluate))
	}
	os.Exit(process())
}

// process is the program from its arguments to its exit code.
func process() int {
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(softMemory)
	defer safefile.RemoveTemps()
	stderr := os.Stderr
	terminal.SilenceLibraries()
	return interruptible(os.Args[1:], os.Stdout, stderr)
}

// execute is the program: it gives the exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p := terminal.New(stdout, stderr)
	p.Withhold = impact.Values{}.Withheld
	terminal.TakeLibraryLog(p.WarnText)
	args, err := handedOver(args, os.Stdin)
	if err != nil {
		return exit(ctx, p, err)
	}
	return exit(ctx, p, newRoot(p, args).ExecuteContext(ctx))
}
