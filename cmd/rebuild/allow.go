package main

import (
	"bufio"
	"context"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
)

func allowCommand(p *terminal.Printer) *cobra.Command {
	f := &flags{}
	list, revoke := false, false
	cmd := &cobra.Command{
		Use:   "allow [flags] [IMAGE...]",
		Short: "allow images what their definitions ask for",
		Long: `Allow images what their definitions ask for beyond a plain build: files outside of
the repository, ssh keys, the host's network, devices, and the commands that the daemon
runs after a build (on_success). Definitions outside that one of the repository names are
read only then, too. It is printed, and noted in your configuration folder for
this repository and this very text: what another commit asks for is asked anew.`,
	}
	f.where(cmd.Flags())
	f.which(cmd)
	cmd.Flags().BoolVar(&list, "list", false, "only print what is asked for, and what of it is allowed")
	cmd.Flags().BoolVar(&revoke, "revoke", false, "take back what was allowed")
	cmd.MarkFlagsMutuallyExclusive("list", "revoke")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		ctx := cmd.Context()
		s, q, err := f.open(ctx, p, session.NoEngine, names)
		if err != nil {
			return err
		}
		defer s.Close()
		before, err := s.Consent()
		if err != nil {
			return err
		}
		if revoke {
			return s.Keep(revoked(p, before, names))
		}
		q.All = q.All || len(names) == 0
		wanted, err := s.Wanted(ctx, q, func(a session.Allowance) bool { return !list || before.Has(a) })
		if err != nil {
			return err
		}
		after := before
		for _, w := range wanted {
			for _, a := range w.Asked {
				state := "allowed"
				switch {
				case before.Has(a):
				case list:
					state = "not allowed"
				default:
					after = after.With(a)
				}
				p.Answer("%s  %s  %s", state, allowedTo(w.Image), terminal.Plain(a.What()))
			}
			for _, v := range w.Variables {
				p.Answer("named    %s  the variable %s goes to its build as a secret", name(w.Image), terminal.Plain(v))
			}
		}
		if len(wanted) == 0 {
			p.Answer("nothing is asked for")
		}
		if list {
			if len(wanted) > 0 && wanted[0].Image == "" && slices.ContainsFunc(wanted[0].Asked, func(a session.Allowance) bool { return !before.Has(a) }) {
				p.Note("what else is asked for is not known before these definitions may be read")
			}
			return nil
		}
		return s.Keep(after)
	}
	return cmd
}

// allowedTo words who is allowed something: an image, or "-" where there is none.
func allowedTo(image string) string {
	if image == "" {
		return "-"
	}
	return name(image)
}

// revoked is a consent without what images were allowed, or without anything.
func revoked(p *terminal.Printer, c session.Consent, images []string) session.Consent {
	kept, taken := c.Without(images)
	for _, a := range taken {
		p.Answer("revoked  %s  %s", allowedTo(a.Image), terminal.Plain(a.What()))
	}
	if len(taken) == 0 {
		p.Answer("nothing was allowed")
	}
	return kept
}

// consent asks on a terminal for what the builds of a plan take and nobody allowed. Where
// nobody can be asked, those builds are refused when their turn comes.
func consent(ctx context.Context, p *terminal.Printer, s *session.Session, planned *session.Planned) error {
	lacking, err := s.Unallowed(planned)
	if err != nil || len(lacking) == 0 || !terminal.IsTerminal(p.Err) || !terminal.IsTerminal(os.Stdin) {
		return err
	}
	for _, u := range lacking {
		for _, privilege := range u.Privileges {
			p.Message("  %s asks for %s (%s)", name(u.Image), terminal.Plain(privilege), u.Origin)
		}
	}
	p.Message("Allow this for this run? rebuild allow notes it for all. [y/N]")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n') // no answer is a no
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case said := <-answer:
		if said == "y" || said == "yes" {
			planned.Allow(lacking)
		}
	}
	return nil
}

// commandAllowed tells whether the user allowed a command of the definition's. What cannot
// be read allows nothing.
func commandAllowed(s *session.Session, image, line string) bool {
	c, err := s.Consent()
	return err == nil && c.AllowsCommand(image, line)
}
