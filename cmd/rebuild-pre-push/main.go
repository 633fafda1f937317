// Rebuild-pre-push is what must begin at once. It stands before the check of a pre-push
// hook:
//
//	rebuild-pre-push PROGRAM [ARG...]
//
// It lets a push go that touches nothing of what the last check saw, and runs the
// program in its place otherwise. The hook that "rebuild hook install" writes does
// without it when it is not there. It is a program of its own because it links
// nothing but the standard library: a push waits for it.
//
// Under the name of docker it is what a script gets that "rebuild record" runs, which
// waits for it at each call; without it the whole of rebuild is that.
package main

import (
	"context"
	"fmt"
	"os"

	"rebuild/cmd/rebuild/recording/standin"
	"rebuild/hooks"
)

func main() {
	if folder, program, ok := standin.Called(os.Args[0]); ok {
		os.Exit(standin.Run(folder, program, os.Args[1:], nil))
	}
	if err := hooks.Run(context.Background(), os.Args[1:], os.Stdin); err != nil {
		fmt.Fprintf(os.Stderr, "rebuild: error: pre-push: %v\n", err)
		fmt.Fprintln(os.Stderr, "rebuild: hint: git push --no-verify pushes without a check")
		os.Exit(2)
	}
}
