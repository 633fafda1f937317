package main

import (
	"cmp"
	"strings"

	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/impact"
)

func listCommand(p *terminal.Printer) *cobra.Command {
	f := &flags{}
	printBake := false
	cmd := &cobra.Command{
		Use:   "list [IMAGE...]",
		Short: "print the images, and where each is defined",
		Example: `  rebuild list
  rebuild list --print | docker buildx bake -f -   build with bake, in order`,
		Args: cobra.ArbitraryArgs,
	}
	f.looks(cmd.Flags())
	f.which(cmd)
	f.privileges(cmd.Flags())
	cmd.Flags().StringVar(&f.format, "format", "text", "`FORMAT`: text, json")
	cmd.Flags().BoolVar(&printBake, "print", false, "print a bake file, each image's parents being its contexts")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := oneOf("format", f.format, "text", "json"); err != nil {
			return err
		}
		ctx := cmd.Context()
		s, q, err := f.open(ctx, p, session.Remembered, args)
		if err != nil {
			return err
		}
		defer s.Close()
		g, err := s.Graph(ctx, q)
		if err != nil {
			return err
		}
		tellGivenUp(p, s)
		if printBake {
			text, err := s.BakeFile(ctx, q, g)
			if err != nil {
				return err
			}
			return p.JSONText(text)
		}
		var apart []listedImage
		if len(args) == 0 {
			apart = newImageList(g, g.Apart())
		}
		return printList(p, f.format, newImageList(g, g.Selected), apart)
	}
	return cmd
}

// listedImage is one image as it is defined.
type listedImage struct {
	Name       string        `json:"name"`
	Dockerfile string        `json:"dockerfile"`
	Context    string        `json:"context"`
	Target     string        `json:"target"`
	Tags       []string      `json:"tags"`
	Parents    []string      `json:"parents"`
	Phase      string        `json:"phase"`
	Origin     string        `json:"origin"`
	Err        *impact.Fault `json:"error"`
	Judged     bool          `json:"judged"`
	Assumed    []string      `json:"assumed,omitempty"`
}

func newImageList(g *session.Graph, names []string) []listedImage {
	s := g.Images
	phaseOf := g.PhaseOf()
	list := []listedImage{}
	for _, name := range names {
		im, _ := s.Catalog.Image(name)
		li := listedImage{
			Name: name, Dockerfile: im.Dockerfile, Context: im.Context + im.RemoteContext, Target: im.Target,
			Tags: append([]string{}, im.Tags...), Parents: append([]string{}, s.ParentsOf(name)...),
			Phase: phaseOf[name], Origin: im.Origin, Err: s.States[name].Err,
			Judged: !s.States[name].Unjudged, Assumed: s.States[name].Assumed,
		}
		if im.Inline != "" {
			li.Dockerfile = "(inline)"
		}
		list = append(list, li)
	}
	return list
}

// lessWanted are the columns that a narrow terminal does without, the least wanted first.
var lessWanted = []string{"TARGET", "CONTEXT", "DEFINED IN", "PHASE", "PARENTS", "DOCKERFILE"}

// printList prints the images that are selected, and those that stand apart.
func printList(p *terminal.Printer, format string, list, apart []listedImage) error {
	if format == "json" {
		out := map[string]any{"images": list}
		if len(apart) > 0 {
			out["apart"] = apart
		}
		return p.JSON(out)
	}
	printImages(p, list)
	if len(apart) > 0 {
		p.Answer("")
		p.Answer("Not selected, as their Dockerfiles lie among tests, examples or what others wrote:")
		printImages(p, apart)
	}
	return nil
}

func printImages(p *terminal.Printer, list []listedImage) {
	var faults []string // on a terminal: the last cell would be long, and may be left out
	rows := [][]string{{"IMAGE", "DOCKERFILE", "CONTEXT", "TARGET", "TAGS", "PARENTS", "PHASE", "DEFINED IN"}}
	for _, im := range list {
		row := []string{name(im.Name), name(im.Dockerfile), name(im.Context), name(im.Target), strings.Join(im.Tags, ","), strings.Join(im.Parents, ","), im.Phase, im.Origin}
		switch {
		case im.Err == nil:
		case p.Width() > 0:
			faults = append(faults, name(im.Name)+" cannot be built: "+im.Err.Error())
		default:
			row[len(row)-1] += "; cannot be built: " + im.Err.Error()
		}
		for i, cell := range row {
			row[i] = cmp.Or(cell, "-")
		}
		rows = append(rows, row)
	}
	p.Columns(rows, lessWanted...)
	for _, text := range faults {
		p.Answer("%s", text)
	}
}
