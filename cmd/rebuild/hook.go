package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/terminal"
	"rebuild/docker"
	"rebuild/hooks/prepush"
	"rebuild/impact/tree"
)

// pushOptions say what a push is held to.
type pushOptions struct {
	mode   string
	budget time.Duration
	strict bool
	tag    bool
}

// defaultBudget is how long people wait for a push without switching the hook off.
const defaultBudget = 2 * time.Minute

func (o *pushOptions) declare(cmd *cobra.Command) {
	set := cmd.Flags()
	set.StringVar(&o.mode, "mode", string(prepush.Build), "`MODE`: build what the push touches, verify that it is built, or print the plan")
	set.DurationVar(&o.budget, "budget", defaultBudget, "begin no build that would take the push longer than `TIME`; 0 for no bound")
	set.BoolVar(&o.strict, "strict", false, "stop a push that cannot be checked in time, or without an engine")
	set.BoolVar(&o.tag, "tag", false, "give the images their tags although the commit is not checked out")
}

func (o *pushOptions) check() error {
	if o.budget < 0 {
		return fmt.Errorf("--budget %s: want a time that is not negative", o.budget)
	}
	return oneOf("mode", o.mode, string(prepush.Build), string(prepush.Verify), string(prepush.Plan))
}

// args are the options that differ from the defaults, for the hook to repeat.
func (o *pushOptions) args() []string {
	args := []string{"hook", "run", "pre-push"}
	if o.mode != string(prepush.Build) {
		args = append(args, "--mode", o.mode)
	}
	if o.budget != defaultBudget {
		args = append(args, "--budget", o.budget.String())
	}
	if o.strict {
		args = append(args, "--strict")
	}
	if o.tag {
		args = append(args, "--tag")
	}
	return append(args, "--")
}

func hookCommand(p *terminal.Printer) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "hook",
		Short: "check what is pushed: the pre-push hook of git",
		Long: `Check what is pushed: the pre-push hook of git.

The images that the pushed commits touch are built from the commits themselves,
whatever the checkout holds, before they leave. A state that was built before
is not built again. REBUILD=0 in the environment, or git push --no-verify,
skips it.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return hintedVerb(cmd, args[0], err)
			}
			return nil
		},
		PersistentPreRun: func(*cobra.Command, []string) {
			// What git sets for its hooks must not lead git, ssh or a credential helper to
			// another repository than the one that this folder lies in.
			for _, name := range tree.LocalEnv() {
				_ = os.Unsetenv(name) // it only fails for names that no system takes
			}
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SuggestionsMinimumDistance = suggestedWithin
	f.where(cmd.PersistentFlags())
	cmd.AddCommand(hookInstallCommand(p, f), hookUninstallCommand(p, f), hookStatusCommand(p, f), hookRunCommand(p, f))
	for _, c := range cmd.Commands() {
		c.SilenceErrors, c.SilenceUsage = true, true
	}
	return cmd
}

func hookRunCommand(p *terminal.Printer, f *flags) *cobra.Command {
	o := &pushOptions{}
	cmd := &cobra.Command{
		Use:       "run pre-push [REMOTE [URL]]",
		Short:     "what git runs: check the refs on standard input",
		ValidArgs: []string{"pre-push"},
		Args:      cobra.RangeArgs(1, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != "pre-push" {
				return hinted{fmt.Errorf("hook %q: pre-push is the only one", args[0]), "rebuild hook run pre-push"}
			}
			if err := o.check(); err != nil {
				return err
			}
			f.place.Load = docker.NoLoad // what is checked is not kept
			return runPrePush(cmd.Context(), p, f, o, args[1:])
		},
	}
	o.declare(cmd)
	return cmd
}
