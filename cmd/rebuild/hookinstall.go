package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/hooks"
	"rebuild/impact"
	"rebuild/impact/tree"
)

func hookInstallCommand(p *terminal.Printer, f *flags) *cobra.Command {
	o := &pushOptions{}
	via := ""
	cmd := &cobra.Command{
		Use:   "install",
		Short: "put the hook where git looks for it",
		Long: `Put the hook where git looks for it.

A hook that is there is kept beside it, and runs first. A hooks folder that is
a part of the working tree (husky's, say) is not written to: from git 2.54 on
the hook goes into the repository's configuration, with an older git the line
to add is told.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(o.check(), oneOf("via", via, "file", "config")); err != nil {
				return err
			}
			return runHookInstall(cmd.Context(), p, f, o, via == "config")
		},
	}
	o.declare(cmd)
	cmd.Flags().StringVar(&via, "via", "file", "`WAY`: a hook file, or git's config (git 2.54 and later)")
	return cmd
}

func runHookInstall(ctx context.Context, p *terminal.Printer, f *flags, o *pushOptions, viaConfig bool) error {
	place, err := findHooks(ctx, f)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("the hook cannot be told where this program is: %w", err)
	}
	changed, err := place.Install(ctx, hooks.Command{Program: program, Args: o.args()}, viaConfig)
	if err != nil {
		return hookError(err)
	}
	if !changed {
		p.Answer("nothing to do: the hook is installed")
		return nil
	}
	if place.Shared() && !viaConfig {
		p.Warn("core.hooksPath is %s: every repository that uses it has the hook now", place.Dir)
	}
	return printHook(ctx, p, place)
}

// findHooks asks git where the hooks of the repository are.
func findHooks(ctx context.Context, f *flags) (*hooks.Place, error) {
	dir, err := session.StartFolder(f.place.Dir)
	if err != nil {
		return nil, err
	}
	if err := tree.GitWouldWait(dir); err != nil {
		return nil, err
	}
	return hooks.Find(ctx, dir)
}

// hookError says what cures an installation that something stands in the way of.
func hookError(err error) error {
	var byHand *hooks.ByHandError
	var both *hooks.BothError
	switch {
	case errors.As(err, &byHand):
		return hinted{err, fmt.Sprintf("add this line to %s: %s", byHand.File, byHand.Line)}
	case errors.As(err, &both):
		return hinted{err, fmt.Sprintf("put the two into one file, then: rm %s", impact.ShellWord(filepath.ToSlash(both.Kept)))}
	}
	return fmt.Errorf("hook: %w", err)
}

func hookUninstallCommand(p *terminal.Printer, f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "uninstall",
		Short: "take the hook away, and put back the one that was there",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			place, err := findHooks(cmd.Context(), f)
			if err != nil {
				return err
			}
			changed, err := place.Uninstall(cmd.Context())
			if err != nil {
				return hookError(err)
			}
			if !changed {
				p.Answer("nothing to do: the hook is not installed")
			}
			return printLeft(cmd.Context(), p, place, changed)
		},
	}
}

// printLeft says what is there after the hook was taken away.
func printLeft(ctx context.Context, p *terminal.Printer, place *hooks.Place, changed bool) error {
	s, err := place.State(ctx)
	switch {
	case err != nil:
		return hookError(err)
	case s.ByUser != "":
		p.Warn("%s calls the hook, in a line that was added by hand: it is left", s.ByUser)
	case changed && s.Foreign != "":
		p.Answer("removed; %s is the hook that was there before", s.Foreign)
	case changed:
		p.Answer("removed")
	}
	return nil
}

func hookStatusCommand(p *terminal.Printer, f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "say whether the hook is installed, and where",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			place, err := findHooks(cmd.Context(), f)
			if err != nil {
				return err
			}
			return printHook(cmd.Context(), p, place)
		},
	}
}

// printHook says how things stand with the hook.
func printHook(ctx context.Context, p *terminal.Printer, place *hooks.Place) error {
	s, err := place.State(ctx)
	if err != nil {
		return hookError(err)
	}
	switch {
	case s.File != "":
		p.Answer("installed: %s", s.File)
	case s.ByUser != "":
		p.Answer("installed by hand: %s", s.ByUser)
	case s.Configured:
		p.Answer("installed: git config hook.rebuild.command")
	default:
		p.Answer("not installed")
	}
	if s.Kept != "" {
		p.Answer("runs first: %s", s.Kept)
	}
	return nil
}
