package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func statusCommand(v *voice) *cobra.Command {
	format := ""
	cmd := &cobra.Command{Use: "status", Short: "print what the daemon does, image by image"}
	cmd.Flags().StringVar(&format, "format", "text", "`FORMAT`: text, json")
	return daemonCommand(v, cmd, func(ctx context.Context, c *client) error {
		if err := oneOf("format", format, "text", "json"); err != nil {
			return err
		}
		var s daemonStatus
		if err := c.do(ctx, "GET", "/status", &s); err != nil {
			return err
		}
		if format == "json" {
			enc := json.NewEncoder(v.out)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", " ")
			return enc.Encode(s)
		}
		return printStatus(v, s, time.Now())
	})
}

func printStatus(v *voice, s daemonStatus, now time.Time) error {
	v.say("%s: %s", s.Root, s.State)
	if s.Error != "" {
		v.say("  %s", s.Error)
	}
	how := "watches " + count(s.Watching.Folders, "folder", "folders")
	if s.Watching.Mode == "polling" {
		how = fmt.Sprintf("looks at %s again and again: %s", count(s.Watching.Folders, "folder", "folders"), s.Watching.Why)
	}
	v.say("process %d, since %s, %s", s.PID, s.Started.Format(time.DateTime), how)
	v.say("")
	t := tabwriter.NewWriter(v.out, 0, 0, 2, ' ', 0)
	for _, im := range s.Images {
		fmt.Fprintf(t, "%s\t%s\t%s\n", im.Name, im.State, imageLine(im, now))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, im := range s.Images {
		if im.Failure == nil || len(im.Failure.Log) == 0 {
			continue
		}
		v.say("")
		v.say("%s:", im.Name)
		for _, line := range im.Failure.Log {
			v.say("  | %s", line)
		}
	}
	return nil
}

// imageLine is what there is to say of an image beside its name and state.
func imageLine(im imageStatus, now time.Time) string {
	switch {
	case im.State == building:
		parts := []string{seconds(im.Elapsed)}
		if im.Left != nil && *im.Left > 0 { // at 0 nobody knows
			parts = append(parts, "about "+seconds(*im.Left)+" left")
		}
		if l := im.Layer; l != nil && l.Line > 0 {
			parts = append(parts, fmt.Sprintf("%s:%d %s", l.Dockerfile, l.Line, l.Instruction))
		} else if l != nil {
			parts = append(parts, l.Instruction)
		}
		line := strings.Join(parts, ", ")
		if im.Cause != "" {
			line += " (" + im.Cause + ")"
		}
		return line
	case im.Failure != nil:
		return strings.TrimSpace(im.Failure.Where + " " + im.Failure.What)
	case im.Cause != "":
		return im.Cause
	case im.Built != nil:
		return "built " + seconds(now.Sub(*im.Built).Seconds()) + " ago"
	}
	return ""
}
