package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"rebuild/impact"
)

func whyCommand(v *voice) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "why IMAGE",
		Short: "print the chain from a changed file to a layer to an image",
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return runWhy(cmd.Context(), v, f, args) },
	}
	f.where(cmd.Flags())
	f.what(cmd)
	return cmd
}

func runWhy(ctx context.Context, v *voice, f *flags, args []string) error {
	p, err := planFor(ctx, v, f, args)
	if err != nil {
		return err
	}
	for _, name := range p.asked {
		printWhy(v, p.plan, name)
	}
	return nil
}

// printWhy writes an image's chains, one for each reason, a line a link.
func printWhy(v *voice, p *impact.Plan, name string) {
	im := p.Image(name)
	if im.Action == impact.Keep {
		v.say("%s is kept: nothing that it reads has changed since %s", name, strings.TrimPrefix(side(p.Baseline), "commit "))
		return
	}
	for _, chain := range chains(p, im, map[string]bool{}) {
		for i, link := range chain {
			v.say("%s%s", strings.Repeat("  ", i), link)
		}
	}
}

// chains are the ways from a cause to an image: a parent's causes come before
// the link to the image itself.
func chains(p *impact.Plan, im *impact.ImagePlan, seen map[string]bool) [][]string {
	if seen[im.Name] {
		return nil
	}
	seen[im.Name] = true
	defer delete(seen, im.Name)
	end := fmt.Sprintf("-> image %s is rebuilt: %s", im.Name, layersOf(im))
	if im.Err != nil {
		end = fmt.Sprintf("-> image %s cannot be built: %s", im.Name, im.Err)
	}
	var out [][]string
	for _, r := range im.Reasons {
		links := layerLinks(im, r)
		if r.Kind == impact.ReasonParent {
			if parent := p.Image(r.Image); parent != nil && parent.Action == impact.Rebuild {
				for _, c := range chains(p, parent, seen) {
					out = append(out, append(append(c, links...), end))
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
		links = append(links, fmt.Sprintf("-> %s:%d  %s", l.Dockerfile, l.Line, l.Instruction))
	}
	return append(links, fmt.Sprintf("-> layer %d of %s is %s", l.Index, im.Name, l.State))
}
