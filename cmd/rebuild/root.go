package main

import (
	"errors"
	"runtime/debug"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rebuild/cmd/rebuild/terminal"
	"rebuild/impact/catalog"
)

// version is set by the linker; a plain "go install" has the module's.
var version = ""

func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// suggestedWithin is by how many letters a verb or a flag may be mistyped to be suggested.
const suggestedWithin = 2

const rootLong = `Rebuild the Docker images that a change touches, and all that is built on them.

Without a verb it brings images up to date with the working tree: what the last
builds saw is compared with what is there now, layer by layer. IMAGE is a
target name, a group, a tag, or a glob; without one, bake's default group or
all.`

func newRoot(p *terminal.Printer, args []string) *cobra.Command {
	f := &flags{}
	root := &cobra.Command{
		Use:     "rebuild [flags] [IMAGE...]",
		Short:   "rebuild the Docker images that a change touches",
		Long:    rootLong,
		Version: programVersion(),
		Example: `  rebuild                     bring all images up to date
  rebuild plan --since main   what the branch changes, and why
  rebuild why asr-cuda        the chain from file to layer to image`,
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, images []string) error {
			run := runBuild
			if f.dryRun {
				run = runPlan
			}
			return mistyped(cmd, run(cmd.Context(), p, f, images))
		},
	}
	root.SuggestionsMinimumDistance = suggestedWithin
	root.SetArgs(args)
	root.SetOut(p.Folded())
	root.SetErr(p.Err)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hinted{err, flagHint(cmd, err)}
	})
	root.PersistentFlags().BoolVarP(&p.Verbose, "verbose", "v", false, "print every warning, not only the first of each kind")
	// As cobra has it, but for flags within the terminal.
	cobra.AddTemplateFunc("within", func(set *pflag.FlagSet) string { return set.FlagUsagesWrapped(p.Width()) })
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "Flags.FlagUsages", "Flags | within"))
	f.where(root.Flags())
	f.what(root)
	runFlags(f, root)
	root.AddCommand(planCommand(p), whyCommand(p), graphCommand(p), schemaCommand(p))
	root.AddCommand(listCommand(p), initCommand(p), allowCommand(p), recordCommand(p), auditCommand(p))
	root.AddCommand(hookCommand(p))
	root.AddCommand(watchCommand(p), statusCommand(p), waitCommand(p), logsCommand(p))
	root.AddCommand(pauseCommand(p), resumeCommand(p), stopCommand(p))
	for _, c := range root.Commands() {
		c.SilenceErrors, c.SilenceUsage = true, true
	}
	if completing(args) {
		completeAll(root)
	}
	return root
}

// mistyped adds the verb that a name of no image may have been meant as.
func mistyped(root *cobra.Command, err error) error {
	var unknown *catalog.UnknownImage
	if !errors.As(err, &unknown) || unknown.Name == "" {
		return err
	}
	return hintedVerb(root, unknown.Name, err)
}

// hintedVerb adds the verbs of a command that a word may have been meant as.
func hintedVerb(cmd *cobra.Command, word string, err error) error {
	verbs := cmd.SuggestionsFor(word)
	if len(verbs) == 0 {
		return err
	}
	path := cmd.CommandPath() + " "
	return hinted{err, path + strings.Join(verbs, ", "+path)}
}

// flagHint is the command that cures a wrong flag: the one with the flag that may have been
// meant, as cobra suggests verbs.
func flagHint(cmd *cobra.Command, err error) string {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		given, best, least := unknown.GetSpecifiedName(), "", 0
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			far := levenshtein.Distance(given, f.Name, nil)
			near := far <= suggestedWithin || len(given) > suggestedWithin && strings.HasPrefix(f.Name, given)
			if !f.Hidden && near && (best == "" || far < least) {
				best, least = f.Name, far
			}
		})
		if best != "" {
			return "did you mean --" + best + "? " + cmd.CommandPath() + " --help"
		}
	}
	return cmd.CommandPath() + " --help"
}

func runFlags(f *flags, cmd *cobra.Command) {
	set := cmd.Flags()
	set.BoolVarP(&f.dryRun, "dry-run", "n", false, "print the plan and build nothing")
	set.BoolVar(&f.said.Push, "push", false, "push the images that were built")
	set.BoolVar(&f.said.FailFast, "fail-fast", false, "stop at the first image that fails")
	set.BoolVar(&f.strict, "strict", false, "fail when a layer runs that was predicted to be cached (see rebuild audit)")
	set.BoolVar(&f.noWait, "no-wait", false, "fail when another run holds the lock, instead of waiting")
	set.StringVar(&f.progress, "progress", "", "`STYLE`: auto, quiet, or BuildKit's own tty, plain, json (default $BUILDKIT_PROGRESS, or auto)")
	set.StringVar(&f.format, "format", "text", "with --dry-run, print the plan as `text` or json")
}
