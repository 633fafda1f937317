package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"rebuild/cmd/rebuild/terminal"
	"rebuild/docker/run"
	"rebuild/impact"
)

// warnOf says what a run had to say beside its outcomes.
func warnOf(p *terminal.Printer, r *run.Report) {
	p.WarnAll(r.Warnings)
	for _, o := range r.Outcomes {
		if len(o.Retries) > 0 {
			p.Warn("%s", retriesText(o))
		}
		if o.Edited {
			p.Warn("files of %s were edited while it was built: the next run builds it again", o.Image)
		}
		if o.Result != nil {
			for _, s := range o.Result.Warnings {
				p.Warn("%s: %s", o.Image, s)
			}
		}
	}
}

// movedText says that another builder builds an image, and why.
func movedText(o run.Outcome) string {
	return fmt.Sprintf("%s is begun anew on another builder: %s: %s", o.Image, o.Builder, o.Because)
}

// retriesText says how often a build was tried again, and why.
func retriesText(o run.Outcome) string {
	times := "once"
	if n := len(o.Retries); n > 1 {
		times = fmt.Sprintf("%d times", n)
	}
	return fmt.Sprintf("%s was tried again %s: %s", o.Image, times, strings.Join(slices.Compact(slices.Clone(o.Retries)), "; "))
}

// interruptedText says in one line what of a plan was finished, and what was not, with as
// many names as there is room for in a terminal of so many columns; 0: a few.
func interruptedText(plan *impact.Plan, r *run.Report, width int) string {
	text := ""
	for most := 3; most >= 0; most-- {
		text = "interrupted: " + finishedText(plan, r, most)
		if width <= 0 || runewidth.StringWidth("rebuild: "+text) <= width {
			break
		}
	}
	return text
}

// finishedText is that with so many names of each kind.
func finishedText(plan *impact.Plan, r *run.Report, most int) string {
	var done, failed, left []string
	for _, image := range plan.Rebuilds() {
		o := r.Outcome(image)
		switch {
		case o != nil && (o.Status == run.Built || o.Status == run.CutOff || o.Status == run.Kept):
			done = append(done, image)
		case o != nil && o.Status == run.Failed:
			failed = append(failed, image)
		default:
			left = append(left, image)
		}
	}
	var parts []string
	for _, of := range []struct {
		what string
		list []string
	}{{"finished", done}, {"failed", failed}, {"not finished", left}} {
		switch n := len(of.list); {
		case n == 0 && of.what != "finished":
		case n == 0 || most == 0:
			parts = append(parts, fmt.Sprintf("%d %s", n, of.what))
		case n > most+1: // one more takes no more room than its number
			parts = append(parts, fmt.Sprintf("%d %s (%s and %d more)", n, of.what, names(of.list[:most]), n-most))
		default:
			parts = append(parts, fmt.Sprintf("%d %s (%s)", n, of.what, names(of.list)))
		}
	}
	return strings.Join(parts, ", ")
}

// printSummary writes one line for each image that the run had to do with, and
// one for all.
func printSummary(p *terminal.Printer, plan *impact.Plan, r *run.Report, took time.Duration) {
	var rows [][]string
	for _, o := range r.Outcomes {
		row := []string{name(o.Image), fmt.Sprintf("%-8s", o.Status)}
		switch o.Status {
		case run.Built:
			row = append(row, fmt.Sprintf("%6s", seconds(o.Duration.Seconds())), ranText(o))
			if o.Builder != "" {
				row = append(row, "on "+o.Builder)
			}
		case run.Moved:
			continue // it is built after that
		case run.Skipped:
			if o.Because != "" {
				row = append(row, "", "because of "+name(o.Because))
			}
		case run.Kept:
			if plan.Image(o.Image).Action == impact.Keep {
				continue // nothing was expected of it
			}
		}
		rows = append(rows, row)
	}
	p.Table("  ", rows)
	kept, left := 0, impact.Totals{}
	for _, im := range plan.Images {
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
	if n := r.Count(run.Moved); n > 0 {
		parts = append(parts, count(n, "build", "builds")+" begun anew on another builder")
	}
	retries := 0
	for _, o := range r.Outcomes {
		retries += len(o.Retries)
	}
	if retries > 0 {
		parts = append(parts, count(retries, "build", "builds")+" tried again")
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
