package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"rebuild/cmd/rebuild/terminal"
)

var (
	manualDir     = flag.String("manual.dir", "", "write the manual pages and completions into `DIR`")
	manualVersion = flag.String("manual.version", "unknown", "the `VERSION` that the manual pages tell")
	manualTime    = flag.Int64("manual.time", 0, "the `SECONDS` since 1970 that the manual pages tell")
)

// TestManual writes the manual pages, in DIR/man, and what has shells complete, in
// DIR/completions: a release has them. A test does it since what makes the pages is then
// not linked into the program, where it would cost each start a millisecond.
func TestManual(t *testing.T) {
	dir := *manualDir
	if dir == "" {
		dir = t.TempDir()
	}
	root := newRoot(terminal.New(io.Discard, io.Discard), nil)
	root.DisableAutoGenTag = true
	root.InitDefaultHelpCmd()
	writePages(t, root, filepath.Join(dir, "man"))
	writeCompletions(t, root, filepath.Join(dir, "completions"))
}

func writePages(t *testing.T, root *cobra.Command, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	everyVerb(root, func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(fl *pflag.Flag) {
			if fl.Name == "parallel" {
				fl.DefValue = "N" // the default is that of the machine on which the page is made
			}
		})
	})
	made := time.Unix(*manualTime, 0).UTC()
	header := &doc.GenManHeader{Date: &made, Source: "rebuild " + *manualVersion, Manual: "rebuild"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		t.Fatal(err)
	}
	everyVerb(root, func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		page, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			return
		}
		text := string(page)
		cmd.Flags().VisitAll(func(fl *pflag.Flag) {
			if !fl.Hidden && !strings.Contains(text, "--"+fl.Name) {
				t.Errorf("%s lacks --%s", name, fl.Name)
			}
		})
		if strings.Contains(text, "Auto generated") {
			t.Errorf("%s tells how it was made", name)
		}
	})
}

func writeCompletions(t *testing.T, root *cobra.Command, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(io.Writer) error{
		"rebuild.bash": func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"_rebuild":     root.GenZshCompletion,
		"rebuild.fish": func(w io.Writer) error { return root.GenFishCompletion(w, true) },
		"rebuild.ps1":  root.GenPowerShellCompletionWithDesc,
	} {
		var text bytes.Buffer
		if err := write(&text); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text.String(), cobra.ShellCompRequestCmd) {
			t.Errorf("%s does not ask the program", name)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// everyVerb calls do for a verb that is shown, and for those below it.
func everyVerb(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && !c.IsAdditionalHelpTopicCommand() {
			everyVerb(c, do)
		}
	}
}
