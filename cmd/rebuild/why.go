package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/terminal"
	"rebuild/impact"
)

func whyCommand(p *terminal.Printer) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "why [IMAGE...]",
		Short: "print the chain from a changed file to a layer to an image",
		Long: `Print the chain from a changed file to a layer to an image.

Without IMAGE, of each image that is rebuilt.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return runWhy(cmd.Context(), p, f, args) },
	}
	f.looks(cmd.Flags())
	f.what(cmd)
	return cmd
}

func runWhy(ctx context.Context, p *terminal.Printer, f *flags, images []string) error {
	planned, err := planToPrint(ctx, p, f, images)
	if err != nil {
		return err
	}
	plan, asked := planned.Plan, planned.Asked
	if len(images) == 0 {
		if asked = plan.Rebuilds(); len(asked) == 0 {
			printTotals(p, plan)
		}
	}
	c := &chains{plan: plan, printed: map[string]bool{}}
	for i, image := range asked {
		if i > 0 {
			p.Answer("")
		}
		c.print(p, plan.Image(image))
	}
	return nil
}

// print writes an image's chains, one for each reason, a line a link.
func (c *chains) print(p *terminal.Printer, im *impact.ImagePlan) {
	plan := c.plan
	if im.Action == impact.Keep {
		p.Answer("%s", keptText(im, strings.TrimPrefix(side(plan.Baseline), "commit ")))
		return
	}
	for _, chain := range c.of(im) {
		for i, link := range chain {
			p.Answer("%s%s", strings.Repeat("  ", i), link)
		}
	}
}

// keptText says why an image is kept.
func keptText(im *impact.ImagePlan, since string) string {
	switch {
	case im.Err != nil && !im.Judged:
		return fmt.Sprintf("%s is kept: it cannot be built, as before (%s); nothing in its build context has changed since %s", name(im.Name), im.Err, since)
	case im.Err != nil:
		return fmt.Sprintf("%s is kept: it cannot be built, as before (%s); nothing that it reads has changed since %s", name(im.Name), im.Err, since)
	case !im.Judged:
		return fmt.Sprintf("%s is kept: nothing that is known of what it reads has changed since %s", name(im.Name), since)
	}
	return fmt.Sprintf("%s is kept: nothing that it reads has changed since %s", name(im.Name), since)
}

// chains finds the ways from a cause to an image. Each image's own causes are told once,
// in the first chain that comes by it: over diamonds of parents there are exponentially
// many chains, and the later ones say nothing new.
type chains struct {
	plan    *impact.Plan
	printed map[string]bool // images whose causes stand in a chain
}

// of gives the chains of an image: a parent's causes come before the link to the image
// itself.
func (c *chains) of(im *impact.ImagePlan) [][]string {
	if c.printed[im.Name] {
		return [][]string{{"-> image " + name(im.Name) + " is rebuilt, as above"}}
	}
	c.printed[im.Name] = true
	end := fmt.Sprintf("-> image %s is rebuilt: %s", name(im.Name), layersOf(im))
	if im.Err != nil {
		end = fmt.Sprintf("-> image %s cannot be built: %s", name(im.Name), im.Err)
	}
	var out [][]string
	for _, r := range im.Reasons {
		links := layerLinks(im, r)
		if r.Kind == impact.ReasonParent {
			if parent := c.plan.Image(r.Image); parent != nil && parent.Action == impact.Rebuild {
				for _, chain := range c.of(parent) {
					out = append(out, append(append(chain, links...), end))
				}
				continue
			}
		}
		out = append(out, append(append([]string{cause(im, r)}, links...), end))
	}
	return out
}

// cause is the first link of a chain.
func cause(im *impact.ImagePlan, r impact.Reason) string {
	r.Layer = 0
	return reasonText(im, r)
}

// layerLinks are the links from a cause to the layer that it invalidates.
func layerLinks(im *impact.ImagePlan, r impact.Reason) []string {
	if r.Layer == 0 || r.Layer > len(im.Layers) {
		return nil
	}
	l := im.Layers[r.Layer-1]
	var links []string
	if l.Line > 0 {
		links = append(links, fmt.Sprintf("-> %s  %s", placeText(l.Dockerfile, l.Line), l.Instruction))
	}
	return append(links, fmt.Sprintf("-> layer %d of %s is %s", l.Index, name(im.Name), l.State))
}
