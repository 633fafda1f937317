package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/impact"
)

func planCommand(p *terminal.Printer) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "plan [IMAGE...]",
		Short: "print what would be rebuilt, and why, and build nothing",
		Long: `Print what would be rebuilt, and why, and build nothing.

No engine is needed: what only an engine can tell is left out, and said. The
exit code is 2 when something that would be rebuilt cannot be built.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return runPlan(cmd.Context(), p, f, args) },
	}
	f.looks(cmd.Flags())
	f.what(cmd)
	cmd.Flags().StringVar(&f.format, "format", "text", "`FORMAT`: text or json")
	return cmd
}

func runPlan(ctx context.Context, p *terminal.Printer, f *flags, images []string) error {
	if err := oneOf("format", f.format, "text", "json"); err != nil {
		return err
	}
	planned, err := planToPrint(ctx, p, f, images)
	if err != nil {
		return err
	}
	if f.format == "json" {
		if err := p.JSONLine(jsonOf(planned.Plan)); err != nil {
			return err
		}
	} else {
		printPlan(p, planned.Plan)
	}
	return brokenError(planned.Plan)
}

// helpFirst says what helps where nothing was built yet, as in a fresh clone: a plan that
// calls everything new says little.
func helpFirst(ctx context.Context, p *terminal.Printer, s *session.Session, planned *session.Planned) {
	if planned.Plan.Baseline.Kind != impact.SideRecords || len(planned.Records) > 0 || len(planned.Plan.Rebuilds()) == 0 {
		return
	}
	if branch := s.MainBranch(ctx); branch != "" {
		p.Message("rebuild: nothing was built here yet, so all is new; for a branch's changes:")
		p.Hint("rebuild plan --since " + branch)
	}
}

// planToPrint makes a plan for the verbs that only look.
func planToPrint(ctx context.Context, p *terminal.Printer, f *flags, images []string) (*session.Planned, error) {
	use := session.Asked
	if f.said.Since != "" {
		use = session.Remembered
	}
	s, q, err := f.open(ctx, p, use, images)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	planned, err := s.Plan(ctx, q)
	if err != nil {
		return nil, err
	}
	if err := planned.Save(); err != nil {
		p.Warn("%v", err)
	}
	if f.format != "json" {
		helpFirst(ctx, p, s, planned)
	}
	if planned.Unasked != nil {
		p.Note("%v; whether the images are still there is left out", planned.Unasked)
	}
	p.WarnAll(planned.Plan.Warnings)
	if len(planned.Assumed) > 0 {
		p.Note("no engine was there to ask for the configs of external base images, so they are taken to set nothing: %s", strings.Join(planned.Assumed, ", "))
	}
	if planned.Plan.Estimate == nil && len(planned.Plan.Phases) > 0 {
		p.Note("there is no history yet to estimate from")
	}
	return planned, nil
}

// brokenError is the error of a plan that would rebuild what cannot be built; the
// plan itself is complete all the same.
func brokenError(plan *impact.Plan) error {
	broken := plan.Broken()
	if len(broken) == 0 {
		return nil
	}
	for _, im := range broken {
		if st := im.Err; st != nil {
			if len(broken) == 1 {
				return &impact.Fault{Path: st.Path, Line: st.Line, Cause: fmt.Sprintf("%s (image %s)", st.Cause, im.Name), Hint: st.Hint}
			}
			break
		}
	}
	first := broken[0]
	return hinted{fmt.Errorf("%d images cannot be built, %s first: %w", len(broken), first.Name, first.Err), hintsOf(broken)}
}

// mostHints bounds the hints of one error.
const mostHints = 5

// hintsOf joins the hints of images that cannot be built, each once.
func hintsOf(broken []*impact.ImagePlan) string {
	var hints []string
	for _, im := range broken {
		if h := im.Err.Hint; h != "" && !slices.Contains(hints, h) {
			hints = append(hints, h)
		}
	}
	return strings.Join(hints[:min(len(hints), mostHints)], "; ")
}
