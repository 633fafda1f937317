package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"rebuild/impact"
)

func graphCommand(v *voice) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "graph [IMAGE...]",
		Short: "print which image is built on which",
		Args:  cobra.ArbitraryArgs,
	}
	f.where(cmd.Flags())
	f.which(cmd)
	cmd.Flags().StringVar(&f.format, "format", "text", "`FORMAT`: text, dot, mermaid, json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := oneOf("format", f.format, "text", "dot", "mermaid", "json"); err != nil {
			return err
		}
		ctx := cmd.Context()
		w, err := openWorkspace(ctx, v, f)
		if err != nil {
			return err
		}
		defer w.close()
		snap, phases, selected, err := w.graph(ctx, args)
		if err != nil {
			return err
		}
		return printGraph(v, f.format, newImageGraph(snap, phases, selected))
	}
	return cmd
}

// imageGraph is the graph of images, parents first.
type imageGraph struct {
	Images []graphImage `json:"images"`
}

type graphImage struct {
	Name    string        `json:"name"`
	Phase   string        `json:"phase"`
	Tags    []string      `json:"tags"`
	Parents []string      `json:"parents"`
	Bases   []string      `json:"bases"` // external
	Err     *impact.Fault `json:"error"`
}

func newImageGraph(s *impact.Snapshot, phases []impact.Phase, selected []string) imageGraph {
	phaseOf := map[string]string{}
	for _, p := range phases {
		for _, n := range p.Images {
			phaseOf[n] = p.Name
		}
	}
	in := map[string]bool{}
	for _, n := range selected {
		in[n] = true
	}
	g := imageGraph{Images: []graphImage{}}
	for _, name := range s.Order {
		if !in[name] {
			continue
		}
		st := s.States[name]
		im := graphImage{Name: name, Phase: phaseOf[name], Tags: append([]string{}, st.Tags...), Parents: append([]string{}, s.ParentsOf(name)...), Bases: []string{}, Err: st.Err}
		for _, b := range st.Bases {
			im.Bases = append(im.Bases, b.Ref)
		}
		g.Images = append(g.Images, im)
	}
	return g
}

func printGraph(v *voice, format string, g imageGraph) error {
	switch format {
	case "json":
		enc := json.NewEncoder(v.out)
		enc.SetIndent("", " ")
		return enc.Encode(g)
	case "dot":
		v.say("digraph images {\n  rankdir=LR")
		for _, im := range g.Images {
			v.say("  %q", im.Name)
			for _, p := range im.Parents {
				v.say("  %q -> %q", p, im.Name)
			}
		}
		v.say("}")
	case "mermaid":
		v.say("graph LR")
		id := map[string]string{}
		for i, im := range g.Images {
			id[im.Name] = fmt.Sprintf("n%d", i)
			v.say("  %s[\"%s\"]", id[im.Name], strings.ReplaceAll(im.Name, `"`, "#quot;"))
		}
		for _, im := range g.Images {
			for _, p := range im.Parents {
				v.say("  %s --> %s", id[p], id[im.Name])
			}
		}
	default:
		printTree(v, g)
	}
	return nil
}

// printTree writes each image below its first parent; further parents are named
// beside it.
func printTree(v *voice, g imageGraph) {
	below := map[string][]graphImage{}
	var roots []graphImage
	inGraph := map[string]bool{}
	for _, im := range g.Images {
		inGraph[im.Name] = true
	}
	for _, im := range g.Images {
		if len(im.Parents) == 0 || !inGraph[im.Parents[0]] {
			roots = append(roots, im)
		} else {
			below[im.Parents[0]] = append(below[im.Parents[0]], im)
		}
	}
	var walk func(im graphImage, indent string)
	walk = func(im graphImage, indent string) {
		line := indent + im.Name
		if len(im.Parents) > 1 {
			line += "  (also reads " + strings.Join(im.Parents[1:], ", ") + ")"
		}
		if im.Err != nil {
			line += "  cannot be built: " + im.Err.Error()
		}
		v.say("%s", line)
		for _, d := range below[im.Name] {
			walk(d, indent+"  ")
		}
	}
	for _, im := range roots {
		base := "scratch"
		if len(im.Bases) > 0 {
			base = strings.Join(im.Bases, ", ")
		}
		im.Name += "  <- " + base
		name := strings.SplitN(im.Name, "  <- ", 2)[0]
		v.say("%s", im.Name)
		for _, d := range below[name] {
			walk(d, "  ")
		}
	}
}
