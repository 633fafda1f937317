package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rebuild/impact"
	"rebuild/impact/catalog"
	"rebuild/impact/llb"
	"rebuild/impact/tree"
)

func listCommand(v *voice) *cobra.Command {
	f := &flags{}
	printBake := false
	cmd := &cobra.Command{
		Use:   "list [IMAGE...]",
		Short: "print the images, and where each is defined",
		Example: `  rebuild list
  rebuild list --print | docker buildx bake -f -   build with bake, in the right order`,
		Args: cobra.ArbitraryArgs,
	}
	f.where(cmd.Flags())
	f.which(cmd)
	cmd.Flags().StringVar(&f.format, "format", "text", "`FORMAT`: text, json")
	cmd.Flags().BoolVar(&printBake, "print", false, "print a bake file, each image's parents being its contexts")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := oneOf("format", f.format, "text", "json"); err != nil {
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
		if printBake {
			return w.printBake(ctx, snap, selected)
		}
		return printList(v, f.format, newImageList(snap, phases, selected))
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
}

func newImageList(s *impact.Snapshot, phases []impact.Phase, selected []string) []listedImage {
	phaseOf := map[string]string{}
	for _, p := range phases {
		for _, n := range p.Images {
			phaseOf[n] = p.Name
		}
	}
	list := []listedImage{}
	for _, name := range selected {
		im, _ := s.Catalog.Image(name)
		li := listedImage{
			Name: name, Dockerfile: im.Dockerfile, Context: im.Context + im.RemoteContext, Target: im.Target,
			Tags: append([]string{}, im.Tags...), Parents: append([]string{}, s.ParentsOf(name)...),
			Phase: phaseOf[name], Origin: im.Origin, Err: s.States[name].Err,
		}
		if im.Inline != "" {
			li.Dockerfile = "(inline)"
		}
		list = append(list, li)
	}
	return list
}

func printList(v *voice, format string, list []listedImage) error {
	if format == "json" {
		enc := json.NewEncoder(v.out)
		enc.SetIndent("", " ")
		enc.SetEscapeHTML(false)
		return enc.Encode(map[string]any{"images": list})
	}
	t := tabwriter.NewWriter(v.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "IMAGE\tDOCKERFILE\tCONTEXT\tTARGET\tTAGS\tPARENTS\tPHASE\tDEFINED IN")
	for _, im := range list {
		row := []string{im.Name, im.Dockerfile, im.Context, im.Target, strings.Join(im.Tags, ","), strings.Join(im.Parents, ","), im.Phase, im.Origin}
		if im.Err != nil {
			row[len(row)-1] += "; cannot be built: " + im.Err.Error()
		}
		for i, cell := range row {
			if cell == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// printBake words the images and all that they are built on as a bake file.
func (w *workspace) printBake(ctx context.Context, s *impact.Snapshot, selected []string) error {
	t, err := w.listedTree(ctx)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, name := range selected {
		wanted[name] = true
	}
	for i := len(s.Order) - 1; i >= 0; i-- { // dependents before their parents
		if name := s.Order[i]; wanted[name] {
			for _, p := range s.ParentsOf(name) {
				wanted[p] = true
			}
		}
	}
	var targets []catalog.BakeTarget
	for _, im := range s.Catalog.Images {
		switch {
		case !wanted[im.Name]:
			continue
		case im.Fault != nil:
			return im.Fault
		}
		bt := catalog.BakeTarget{Image: im, Parents: s.States[im.Name].Parents}
		if len(im.Substitute) > 0 {
			text, err := llb.Text(ctx, im, t.ReadFile)
			if err != nil {
				return err
			}
			bt.Text = string(text)
		}
		targets = append(targets, bt)
	}
	out, err := catalog.BakeFile(targets, selected, w.dir)
	if err != nil {
		return err
	}
	_, err = w.voice.out.Write(out)
	return err
}

// listedTree is the tree whose images are listed.
func (w *workspace) listedTree(ctx context.Context) (tree.Tree, error) {
	if w.flags.at != "" {
		return w.repo.Commit(ctx, w.flags.at, tree.Bytes)
	}
	return w.worktree(ctx, tree.Bytes)
}
