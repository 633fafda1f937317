package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/docker/run"
	"rebuild/impact"
)

// printReport says what became of a run: the failures with their last log lines
// on stderr, the summary on stdout.
func printReport(p *terminal.Printer, planned *session.Planned, r *run.Report, took time.Duration, quiet bool) {
	for _, o := range r.Outcomes {
		if o.Status == run.Failed {
			printFailure(p, planned, r, o)
		}
	}
	for _, s := range r.Warnings {
		p.Warn("%s", s)
	}
	for _, o := range r.Outcomes {
		if o.Edited {
			p.Warn("files of %s were edited while it was built: the next run builds it again", o.Image)
		}
		if o.Result != nil {
			for _, s := range o.Result.Warnings {
				p.Warn("%s: %s", o.Image, s)
			}
		}
	}
	if !quiet {
		printSummary(p, planned, r, took)
	}
}

// printFailure writes a failure in the form that people grep for.
func printFailure(p *terminal.Printer, planned *session.Planned, r *run.Report, o run.Outcome) {
	f := o.Failure(planned.Plan.Image(o.Image))
	for _, line := range f.Log {
		p.Message("  | %s", terminal.LogLine(line))
	}
	p.Message("[FAILED] %s", strings.Join(slices.DeleteFunc([]string{name(o.Image), placeText(f.File, f.Line), f.What}, func(s string) bool { return s == "" }), "  "))
	if f.Cause != "" {
		p.Message("[INFO] cause: %s", f.Cause)
	}
	if f.LogFile != "" {
		p.Message("[INFO] whole log: %s", f.LogFile)
	}
	if r.Critical == o.Image {
		p.Message("[ERROR] cannot go on without %s: phase %q is critical", o.Image, planned.Plan.PhaseOf(o.Image))
	}
	needed, optional := planned.RequiredBy(o.Image)
	if len(needed) > 0 {
		p.Message("[INFO] required by: %s", names(needed))
	}
	for _, ph := range optional {
		p.Message("[INFO] also required by the %s: %s", ph.Name, names(ph.Images))
	}
	var fault *impact.Fault
	if errors.As(o.Err, &fault) {
		p.Hint(fault.Hint)
	}
}

// printSummary writes one line for each image that the run had to do with, and
// one for all.
func printSummary(p *terminal.Printer, planned *session.Planned, r *run.Report, took time.Duration) {
	var rows [][]string
	for _, o := range r.Outcomes {
		row := []string{name(o.Image), fmt.Sprintf("%-8s", o.Status)}
		switch o.Status {
		case run.Built:
			row = append(row, fmt.Sprintf("%6s", seconds(o.Duration.Seconds())), ranText(o))
		case run.Skipped:
			if o.Because != "" {
				row = append(row, "because of "+name(o.Because))
			}
		case run.Kept:
			if planned.Plan.Image(o.Image).Action == impact.Keep {
				continue // nothing was expected of it
			}
		}
		rows = append(rows, row)
	}
	p.Table("  ", rows)
	kept, left := 0, impact.Totals{}
	for _, im := range planned.Plan.Images {
		if !im.Selected || r.Outcome(im.Name) != nil {
			continue
		}
		if im.Err != nil {
			left.Broken++
		}
		if !im.Judged {
			left.NotJudged++
		}
		if im.Err == nil && im.Judged {
			kept++
		}
	}
	parts := []string{fmt.Sprintf("built %d", r.Count(run.Built)), fmt.Sprintf("kept %d", kept+r.Count(run.Kept))}
	for _, s := range []run.Status{run.CutOff, run.Failed, run.Skipped, run.Cancelled} {
		if n := r.Count(s); n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", s, n))
		}
	}
	p.Answer("%s in %s%s", strings.Join(parts, ", "), seconds(took.Seconds()), uncertainText("; ", left))
}

// ranText says how many layers ran, beside how many were to.
func ranText(o run.Outcome) string {
	ran := count(o.Ran, "layer", "layers") + " ran"
	if o.Ran == o.Predicted {
		return ran + ", as predicted"
	}
	return fmt.Sprintf("%s, %d predicted", ran, o.Predicted)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
