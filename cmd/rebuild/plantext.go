package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"rebuild/cmd/rebuild/terminal"
	"rebuild/impact"
)

// name is a name of a file or an image in a text for people.
func name(s string) string { return terminal.Quoted(s) }

// names are several of them.
func names(list []string) string {
	return strings.Join(terminal.QuotedAll(list), ", ")
}

// printPlan writes a plan for people: what changed, what is rebuilt and why, by
// phase, and what it costs.
func printPlan(p *terminal.Printer, plan *impact.Plan) {
	p.Answer("comparing %s with %s", side(plan.Target), side(plan.Baseline))
	if len(plan.Changes) > 0 {
		p.Answer("")
		p.Answer("changed files that an image reads:")
		listed := plan.Changes[:min(len(plan.Changes), maxListed)]
		var rows [][]string
		for _, ch := range listed {
			rows = append(rows, []string{fmt.Sprintf("%-8s", ch.Change), name(ch.Path)})
		}
		p.Table("  ", rows)
		if more := len(plan.Changes) - len(listed); more > 0 {
			p.Answer("  ... and %d more", more)
		}
	}
	width := 0
	for _, im := range plan.Images {
		width = max(width, runewidth.StringWidth(name(im.Name)))
	}
	if most := p.Width(); most > 0 {
		width = min(width, most/namesPart)
	}
	for _, ph := range plan.Phases {
		p.Answer("")
		title := name(ph.Name)
		if ph.Critical {
			title += " (critical)"
		}
		rest := ""
		if ph.Estimate != nil {
			rest = ", about " + seconds(*ph.Estimate)
		}
		p.Heading(title, rest)
		for _, n := range ph.Images {
			printImage(p, plan.Image(n), width)
		}
	}
	if len(plan.Removed) > 0 {
		p.Answer("")
		p.Answer("no longer defined: %s", names(plan.Removed))
	}
	p.Answer("")
	printTotals(p, plan)
}

// namesPart is which part of a terminal's width names may take: the others stick out.
const namesPart = 4

// maxListed bounds lists for people; --format json has all.
const maxListed = 20

// printImage writes the decision on an image; its name is padded to width.
func printImage(p *terminal.Printer, im *impact.ImagePlan, width int) {
	line := layersOf(im)
	if im.Estimate != nil {
		line += ", about " + seconds(*im.Estimate)
	}
	switch {
	case im.WaitsOnly():
		line += ", kept if its parents come out the same"
	case im.Unsure && im.Err == nil:
		line += ", the same image if the files that it copies come out the same"
	}
	p.Beside("  "+runewidth.FillRight(name(im.Name), width)+"  ", line)
	indent := strings.Repeat(" ", width+6)
	if im.Err != nil {
		p.Beside(indent, "cannot be built: "+im.Err.Error())
	}
	if len(im.Assumed) > 0 {
		p.Beside(indent, "judged with a stand-in for "+strings.Join(im.Assumed, ", "))
	}
	for i, r := range im.Reasons {
		if i == maxReasons {
			p.Beside(indent, fmt.Sprintf("... and %d more reasons", len(im.Reasons)-i))
			break
		}
		p.Beside(indent, reasonText(im, r))
	}
}

const maxReasons = 5

// layersOf says how many of an image's layers run.
func layersOf(im *impact.ImagePlan) string {
	switch n := im.Predicted(); {
	case !im.Judged:
		return "not judged layer by layer"
	case n == 0:
		return "no layer runs: " + withoutStepText(im)
	case n == 1:
		return fmt.Sprintf("1 of %d layers runs", len(im.Layers))
	default:
		return fmt.Sprintf("%d of %d layers run", n, len(im.Layers))
	}
}

// withoutStepText says what becomes of an image that is rebuilt without a layer that runs.
func withoutStepText(im *impact.ImagePlan) string {
	isTag := func(r impact.Reason) bool { return r.Kind == impact.ReasonConfig && r.Field == impact.FieldTag }
	isOther := func(r impact.Reason) bool { return !isTag(r) }
	below := func(r impact.Reason) bool { return r.Kind == impact.ReasonParent || r.Kind == impact.ReasonBase }
	switch {
	case im.OnlyConfig:
		return "only its config changes"
	case !slices.ContainsFunc(im.Reasons, isOther):
		return "only its tags change"
	case slices.ContainsFunc(im.Reasons, below):
		return "only what it is built on changes"
	}
	return "all are in the cache"
}

func printTotals(p *terminal.Printer, plan *impact.Plan) {
	t := plan.Totals()
	if t.Rebuild == 0 {
		p.Answer("nothing to rebuild: %s up to date%s", count(t.UpToDate, "image is", "images are"), uncertainText(", ", t))
		return
	}
	line := fmt.Sprintf("%s to rebuild, %d to keep", count(t.Rebuild, "image", "images"), t.Keep)
	if plan.Estimate != nil {
		line += ", about " + seconds(*plan.Estimate)
	}
	p.Answer("%s%s", line, uncertainText("; ", t))
}

// uncertainText says how many images no plan can call up to date.
func uncertainText(before string, t impact.Totals) string {
	var parts []string
	if t.Broken > 0 {
		parts = append(parts, fmt.Sprintf("%d cannot be built", t.Broken))
	}
	if t.NotJudged > 0 {
		parts = append(parts, count(t.NotJudged, "was not judged", "were not judged"))
	}
	if len(parts) == 0 {
		return ""
	}
	return before + strings.Join(parts, ", ")
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// side names a side of a plan.
func side(s impact.Side) string {
	switch s.Kind {
	case impact.SideCommit:
		if s.Rev != "" && !strings.HasPrefix(s.Commit, s.Rev) {
			return fmt.Sprintf("commit %.12s (%s)", s.Commit, name(s.Rev))
		}
		return fmt.Sprintf("commit %.12s", s.Commit)
	case impact.SideRecords:
		return "the last builds"
	case impact.SideNothing:
		return "nothing"
	}
	return "the working tree"
}

// reasonText is a reason in a line.
func reasonText(im *impact.ImagePlan, r impact.Reason) string {
	at := ""
	if r.Layer > 0 && r.Layer <= len(im.Layers) {
		if l := im.Layers[r.Layer-1]; l.Line > 0 {
			at = fmt.Sprintf(" (%s %s)", placeText(l.Dockerfile, l.Line), l.Instruction)
		}
	}
	switch r.Kind {
	case impact.ReasonFile:
		change := string(r.Change)
		if change == "" {
			change = "changed"
		}
		return change + " " + name(r.Path) + at
	case impact.ReasonDockerfile:
		if detail := detailOf(r); detail != "" {
			return name(r.Path) + ": " + detail
		}
		return name(r.Path) + " changed" + at
	case impact.ReasonIgnore:
		return name(r.Path) + " lets other files through" + at
	case impact.ReasonArg:
		return fmt.Sprintf("build argument %s %s%s", name(r.Arg), detailOf(r), at)
	case impact.ReasonConfig:
		if detail := detailOf(r); detail != "" {
			return "its definition changed: " + detail
		}
		return "its definition changed" + at
	case impact.ReasonParent:
		return "built on " + name(r.Image) + at
	case impact.ReasonBase:
		return "the base image " + name(r.Image) + " moved" + at
	case impact.ReasonMissing:
		return detailOf(r)
	case impact.ReasonNew:
		return "never built, as far as is known"
	case impact.ReasonFailed:
		return "its last build failed"
	case impact.ReasonForced:
		return "asked for"
	}
	return string(r.Kind) + " " + name(r.Path)
}

// seconds is a duration for people.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}
