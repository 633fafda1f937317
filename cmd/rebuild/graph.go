package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/impact"
)

func graphCommand(p *terminal.Printer) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "graph [IMAGE...]",
		Short: "print which image is built on which",
		Args:  cobra.ArbitraryArgs,
	}
	f.looks(cmd.Flags())
	f.which(cmd)
	f.privileges(cmd.Flags())
	cmd.Flags().StringVar(&f.format, "format", "text", "`FORMAT`: text, dot, mermaid, json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := oneOf("format", f.format, "text", "dot", "mermaid", "json"); err != nil {
			return err
		}
		s, q, err := f.open(cmd.Context(), p, session.Remembered, args)
		if err != nil {
			return err
		}
		defer s.Close()
		g, err := s.Graph(cmd.Context(), q)
		if err != nil {
			return err
		}
		tellGivenUp(p, s)
		return printGraph(p, f.format, newImageGraph(g))
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
	Judged  bool          `json:"judged"`
	Assumed []string      `json:"assumed,omitempty"`
}

func newImageGraph(of *session.Graph) imageGraph {
	s := of.Images
	phaseOf := of.PhaseOf()
	in := map[string]bool{}
	for _, n := range of.Selected {
		in[n] = true
	}
	g := imageGraph{Images: []graphImage{}}
	for _, name := range s.Order {
		if !in[name] {
			continue
		}
		st := s.States[name]
		im := graphImage{Name: name, Phase: phaseOf[name], Tags: append([]string{}, st.Tags...), Parents: append([]string{}, s.ParentsOf(name)...), Bases: []string{}, Err: st.Err, Judged: !st.Unjudged, Assumed: st.Assumed}
		for _, b := range st.Bases {
			im.Bases = append(im.Bases, b.Ref)
		}
		g.Images = append(g.Images, im)
	}
	return g
}

func printGraph(p *terminal.Printer, format string, g imageGraph) error {
	switch format {
	case "json":
		return p.JSON(g)
	case "dot":
		p.Answer("digraph images {")
		p.Answer("  rankdir=LR")
		for _, im := range g.Images {
			p.Answer("  %q", im.Name)
			for _, parent := range im.Parents {
				p.Answer("  %q -> %q", parent, im.Name)
			}
		}
		p.Answer("}")
	case "mermaid":
		p.Answer("graph LR")
		id := map[string]string{}
		for i, im := range g.Images {
			id[im.Name] = fmt.Sprintf("n%d", i)
			p.Answer("  %s[\"%s\"]", id[im.Name], strings.ReplaceAll(im.Name, `"`, "#quot;"))
		}
		for _, im := range g.Images {
			for _, parent := range im.Parents {
				p.Answer("  %s --> %s", id[parent], id[im.Name])
			}
		}
	default:
		printTree(p, g)
	}
	return nil
}

// printTree writes each image below its first parent; further parents are named
// beside it.
func printTree(p *terminal.Printer, g imageGraph) {
	below := map[string][]graphImage{}
	var roots []graphImage
	inGraph := map[string]bool{}
	for _, im := range g.Images {
		inGraph[im.Name] = true
	}
	isRoot := func(im graphImage) bool { return len(im.Parents) == 0 || !inGraph[im.Parents[0]] }
	for _, im := range g.Images {
		if isRoot(im) {
			roots = append(roots, im)
		} else {
			below[im.Parents[0]] = append(below[im.Parents[0]], im)
		}
	}
	var walk func(im graphImage, indent string)
	walk = func(im graphImage, indent string) {
		p.Answer("%s", indent+graphLine(im, isRoot(im), p.Width() > 0))
		for _, d := range below[im.Name] {
			walk(d, indent+"  ")
		}
	}
	for _, im := range roots {
		walk(im, "")
	}
}

// wholeDigest is one, of which the first letters tell it from any other.
var wholeDigest = regexp.MustCompile(`(@sha256:[0-9a-f]{12})[0-9a-f]{52}`)

// graphLine is an image in the graph; a root says what it is built on, with digests as short
// as people can use them if brief.
func graphLine(im graphImage, root, brief bool) string {
	line := name(im.Name)
	switch {
	case !root:
	case len(im.Bases) > 0:
		bases := names(im.Bases)
		if brief {
			bases = wholeDigest.ReplaceAllString(bases, "$1")
		}
		line += "  <- " + bases
	case len(im.Parents) > 0:
		line += "  <- " + name(im.Parents[0])
	case im.Err == nil: // of what cannot be read nobody knows
		line += "  <- scratch"
	}
	if len(im.Parents) > 1 {
		line += "  (also reads " + names(im.Parents[1:]) + ")"
	}
	if im.Err != nil {
		line += "  cannot be built: " + im.Err.Error()
	}
	return line
}
