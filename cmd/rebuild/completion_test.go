package main

import (
	"testing"

	"github.com/spf13/cobra"
)

// TestCompleteCommand: after a verb that runs a command, the shell completes files as it
// does without us.
func TestCompleteCommand(t *testing.T) {
	runs := &cobra.Command{Use: "try -- COMMAND [ARG...]", Args: cobra.ArbitraryArgs}
	none := &cobra.Command{Use: "stop", Args: cobra.NoArgs}
	root := &cobra.Command{Use: "rebuild"}
	root.AddCommand(runs, none)
	completeAll(root)
	if runs.ValidArgsFunction != nil {
		t.Error("a command's words are completed as something else")
	}
	if none.ValidArgsFunction == nil {
		t.Error("files are offered to a verb that takes nothing")
	}
}
