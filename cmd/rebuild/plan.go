package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"rebuild/impact"
)

func planCommand(v *voice) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "plan [IMAGE...]",
		Short: "print what would be rebuilt, and why, and build nothing",
		Long: `Print what would be rebuilt, and why, and build nothing.

No engine is needed: what only an engine can tell is left out, and said. The exit
code is 2 when something that would be rebuilt cannot be built.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return runPlan(cmd.Context(), v, f, args) },
	}
	f.where(cmd.Flags())
	f.what(cmd)
	cmd.Flags().StringVar(&f.format, "format", "text", "`FORMAT`: text or json")
	return cmd
}

func runPlan(ctx context.Context, v *voice, f *flags, args []string) error {
	if err := oneOf("format", f.format, "text", "json"); err != nil {
		return err
	}
	p, err := planFor(ctx, v, f, args)
	if err != nil {
		return err
	}
	if f.format == "json" {
		err = json.NewEncoder(v.out).Encode(jsonOf(p.plan))
	} else {
		printPlan(v, p.plan)
	}
	if err != nil {
		return fmt.Errorf("cannot print the plan: %w", err)
	}
	return brokenError(p.plan)
}

// planFor makes a plan for the verbs that only look.
func planFor(ctx context.Context, v *voice, f *flags, args []string) (*planning, error) {
	m, err := connect(ctx, f, f.since == "")
	if err != nil {
		return nil, err
	}
	defer m.engine.Close()
	w, err := openWorkspace(ctx, v, f)
	if err != nil {
		return nil, err
	}
	defer w.close()
	m.open(ctx, w)
	live := false
	if f.since == "" {
		// What the engine holds decides; without it the records must do.
		_, err := m.held()
		if live = err == nil; !live && ctx.Err() == nil {
			v.tell("rebuild: note: %v; whether the images are still there is left out", err)
		}
	}
	p, err := w.newPlanning(ctx, args, m, live)
	if err != nil {
		return nil, err
	}
	if live {
		same, err := m.confirm(ctx)
		if err == nil && !same {
			p, err = w.newPlanning(ctx, args, m, live)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := p.save(); err != nil {
		v.warn("%v", err)
	}
	w.warnAll(p.plan.Warnings)
	if left := p.left(); left != "" {
		v.tell("rebuild: note: %s", left)
	}
	if p.plan.Estimate == nil && len(p.plan.Phases) > 0 {
		v.tell("rebuild: note: there is no history yet to estimate from")
	}
	return p, nil
}

// brokenError is the error of a plan that would rebuild what cannot be built; the
// plan itself is complete all the same.
func brokenError(p *impact.Plan) error {
	broken := p.Broken()
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
	return hinted{fmt.Errorf("%d images cannot be built, %s first: %w", len(broken), first.Name, first.Err), first.Err.Hint}
}

// graph gives the images at a tree, without a plan.
func (w *workspace) graph(ctx context.Context, args []string) (*impact.Snapshot, []impact.Phase, []string, error) {
	m, err := connect(ctx, w.flags, false)
	if err != nil {
		return nil, nil, nil, err
	}
	defer m.engine.Close()
	m.open(ctx, w)
	p := &planning{}
	if _, err := w.targetTree(ctx, p); err != nil {
		return nil, nil, nil, err
	}
	cat, err := w.catalog(ctx, p.tree, false)
	if err != nil {
		return nil, nil, nil, err
	}
	snap, err := w.scanner(m, false).Scan(ctx, cat, p.tree)
	if err != nil {
		return nil, nil, nil, w.definitionFault(err, cat)
	}
	phases, _, err := impact.Phases(snap)
	if err != nil {
		return nil, nil, nil, w.definitionFault(err, cat)
	}
	w.warnAll(cat.Warnings)
	selected, err := w.choose(cat, phases, args)
	return snap, phases, selected, err
}
