package main

import (
	"runtime/debug"

	"github.com/spf13/cobra"
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

const rootLong = `Rebuild the Docker images that a change touches, and all that is built on them.

Without a verb it brings images up to date with the working tree: what the last
builds saw is compared with what is there now, layer by layer. IMAGE is a target
name, a group, a tag, or a glob; without one, bake's default group or all.`

func newRoot(v *voice, args []string) *cobra.Command {
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
			if f.dryRun {
				return runPlan(cmd.Context(), v, f, images)
			}
			return runBuild(cmd.Context(), v, f, images)
		},
	}
	root.SetArgs(args)
	root.SetOut(v.out)
	root.SetErr(v.err)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hinted{err, cmd.CommandPath() + " --help"}
	})
	f.where(root.Flags())
	f.what(root)
	runFlags(f, root)
	root.AddCommand(planCommand(v), whyCommand(v), graphCommand(v), schemaCommand(v))
	root.AddCommand(listCommand(v), initCommand(v), auditCommand(v))
	root.AddCommand(hookCommand(v))
	root.AddCommand(watchCommand(v), statusCommand(v), waitCommand(v), logsCommand(v))
	root.AddCommand(pauseCommand(v), resumeCommand(v), stopCommand(v))
	for _, c := range root.Commands() {
		c.SilenceErrors, c.SilenceUsage = true, true
	}
	return root
}

func runFlags(f *flags, cmd *cobra.Command) {
	p := cmd.Flags()
	p.BoolVarP(&f.dryRun, "dry-run", "n", false, "print the plan and build nothing")
	p.BoolVar(&f.push, "push", false, "push the images that were built")
	p.BoolVar(&f.failFast, "fail-fast", false, "stop at the first image that fails")
	p.BoolVar(&f.strict, "strict", false, "fail when a layer runs that was foretold to be cached (see rebuild audit)")
	p.BoolVar(&f.noWait, "no-wait", false, "fail when another run holds the lock, instead of waiting")
	p.StringVar(&f.progress, "progress", "", "`STYLE`: auto, tty, plain, json, quiet (default $BUILDKIT_PROGRESS, or auto)")
	p.StringVar(&f.format, "format", "text", "with --dry-run, print the plan as `text` or json")
}
