package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/terminal"
	"rebuild/impact"
	"rebuild/watch/daemon"
)

func statusCommand(p *terminal.Printer) *cobra.Command {
	format := ""
	cmd := &cobra.Command{Use: "status", Short: "print what the daemon does, image by image"}
	cmd.Flags().StringVar(&format, "format", "text", "`FORMAT`: text, json")
	return daemonCommand(p, cmd, func(ctx context.Context, c *daemon.Client) error {
		if err := oneOf("format", format, "text", "json"); err != nil {
			return err
		}
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		if format == "json" {
			return p.JSON(newStatusDocument(s))
		}
		printStatus(p, s, time.Now())
		return nil
	})
}

// statusDocument is a status for programs, in data and in words. Its JSON form is
// stable: fields may be added, never changed.
type statusDocument struct {
	daemon.Status
	Images []imageDocument `json:"images"`
}

type imageDocument struct {
	Name    string            `json:"name"`
	Tags    []string          `json:"tags"`
	State   daemon.ImageState `json:"state"`
	Cause   string            `json:"cause,omitempty"` // why it is stale or built
	Layer   *daemon.Layer     `json:"layer,omitempty"`
	Elapsed float64           `json:"elapsed_s,omitempty"`
	Left    *float64          `json:"left_s,omitempty"`
	Built   *time.Time        `json:"built,omitempty"`
	Failure *failureDocument  `json:"failure,omitempty"`

	Unallowed string `json:"unallowed,omitempty"` // a command that is not run, since nobody allowed it

	// The cause as data.
	Waits *daemon.Waits `json:"waits,omitempty"`
	Why   *daemon.Cause `json:"why,omitempty"`
}

type failureDocument struct {
	Where string `json:"where,omitempty"`
	daemon.Failure
}

func newStatusDocument(s daemon.Status) statusDocument {
	d := statusDocument{Status: s, Images: make([]imageDocument, len(s.Images))}
	for i, im := range s.Images {
		d.Images[i] = imageDocument{
			Name: im.Name, Tags: im.Tags, State: im.State, Cause: imageCause(im), Layer: im.Layer,
			Elapsed: im.Elapsed, Left: im.Left, Built: im.Built, Waits: im.Waits, Why: im.Cause, Unallowed: im.Unallowed,
		}
		if f := im.Failure; f != nil {
			d.Images[i].Failure = &failureDocument{placeOf(f.File, f.Line), *f}
		}
	}
	return d
}

// documentOf is what a daemon answers: who asks does not know its secrets.
func documentOf(s daemon.Status, hidden *secrets) any {
	text, err := terminal.WithheldJSON(newStatusDocument(s), hidden.withheld)
	if err != nil { // a struct of plain fields always encodes
		return nil
	}
	return text
}

func printStatus(p *terminal.Printer, s daemon.Status, now time.Time) {
	p.Answer("%s: %s", s.Root, s.State)
	if s.Error != "" {
		p.Answer("  %s", s.Error)
	}
	folders := count(s.Watching.Folders, "folder", "folders")
	how := "watches " + folders
	if s.Watching.Mode == "polling" {
		how = fmt.Sprintf("looks at %s again and again: %s", folders, s.Watching.Why)
	}
	p.Answer("process %d, since %s, %s", s.PID, s.Started.Format(time.DateTime), how)
	p.Answer("")
	var rows [][]string
	for _, im := range s.Images {
		rows = append(rows, []string{name(im.Name), string(im.State), imageLine(im, now)})
	}
	p.Table("", rows)
	for _, im := range s.Images {
		if im.Unallowed != "" {
			p.Answer("%s: on_success waits until it is allowed (rebuild allow %s): %s", name(im.Name), impact.ShellWord(im.Name), terminal.Plain(im.Unallowed))
		}
	}
	for _, im := range s.Images {
		if im.Failure == nil || len(im.Failure.Log) == 0 {
			continue
		}
		p.Answer("")
		p.Answer("%s:", name(im.Name))
		for _, line := range im.Failure.Log {
			p.Answer("  | %s", terminal.LogLine(line))
		}
	}
}

// imageLine is what there is to say of an image beside its name and state.
func imageLine(im daemon.ImageStatus, now time.Time) string {
	cause := imageCause(im)
	switch {
	case im.State == daemon.ImageBuilding:
		line := buildText(im.Elapsed, im.Left, im.Layer)
		if cause != "" {
			line += " (" + cause + ")"
		}
		return line
	case im.Failure != nil:
		return failureText(im.Failure)
	case cause != "":
		return cause
	case im.Built != nil:
		return "built " + seconds(now.Sub(*im.Built).Seconds()) + " ago"
	}
	return ""
}

// viewOn draws a daemon's status below its log.
func viewOn(p *terminal.Printer, live *terminal.Live) func(context.Context, func(context.Context) (daemon.Status, bool)) {
	return func(ctx context.Context, status func(context.Context) (daemon.Status, bool)) {
		live.Run(ctx, func(ctx context.Context, width int) ([]string, bool) {
			s, ok := status(ctx)
			return liveLines(p, s, width), ok
		})
	}
}

// liveLines are a status in lines of at most so many columns: images that are not up
// to date, and one for all.
func liveLines(p *terminal.Printer, s daemon.Status, width int) []string {
	queued := 0
	var rows [][]string
	for _, im := range s.Images {
		switch im.State {
		case daemon.ImageUpToDate:
		case daemon.ImageQueued:
			queued++
		default:
			rows = append(rows, []string{name(im.Name), fmt.Sprintf("%-8s", im.State), imageLine(im, time.Now())})
		}
	}
	last := "  " + string(s.State)
	if queued > 0 {
		last += fmt.Sprintf(", %s queued", count(queued, "image", "images"))
	}
	last += ", watching " + count(s.Watching.Folders, "folder", "folders")
	return append(p.TableLines("  ", rows, width), terminal.Cut(last, width))
}
