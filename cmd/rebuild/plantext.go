package main

import (
	"fmt"
	"path"
	"strings"
	"time"

	"rebuild/impact"
)

// printPlan writes a plan for people: what changed, what is rebuilt and why, by
// phase, and what it costs.
func printPlan(v *voice, p *impact.Plan) {
	v.say("comparing %s with %s", side(p.Target), side(p.Baseline))
	if len(p.Changes) > 0 {
		v.say("")
		v.say("changed files that an image reads:")
		for i, ch := range p.Changes {
			if i == maxListed {
				v.say("  ... and %d more", len(p.Changes)-i)
				break
			}
			v.say("  %-8s  %s", ch.Change, ch.Path)
		}
	}
	width := 0
	for _, im := range p.Images {
		width = max(width, len(im.Name))
	}
	for _, ph := range p.Phases {
		v.say("")
		title := ph.Name
		if ph.Critical {
			title += " (critical)"
		}
		title = v.bold(title)
		if ph.Estimate != nil {
			title += ", about " + seconds(*ph.Estimate)
		}
		v.say("%s", title)
		for _, name := range ph.Images {
			printImage(v, p.Image(name), width)
		}
	}
	if len(p.Removed) > 0 {
		v.say("")
		v.say("no longer defined: %s", strings.Join(p.Removed, ", "))
	}
	v.say("")
	printTotals(v, p)
}

// maxListed bounds lists for people; --format json has all.
const maxListed = 20

func printImage(v *voice, im *impact.ImagePlan, width int) {
	line := fmt.Sprintf("  %-*s  %s", width, im.Name, layersOf(im))
	if im.Estimate != nil {
		line += ", about " + seconds(*im.Estimate)
	}
	switch {
	case im.WaitsOnly():
		line += ", kept if its parents come out the same"
	case im.Unsure:
		line += ", the same image if the files that it copies come out the same"
	}
	v.say("%s", line)
	if im.Err != nil {
		v.say("  %-*s    cannot be built: %s", width, "", im.Err)
	}
	for i, r := range im.Reasons {
		if i == maxReasons {
			v.say("  %-*s    ... and %d more reasons", width, "", len(im.Reasons)-i)
			break
		}
		v.say("  %-*s    %s", width, "", reasonText(im, r))
	}
}

const maxReasons = 5

func layersOf(im *impact.ImagePlan) string {
	steps := 0
	for _, l := range im.Layers {
		if l.Step {
			steps++
		}
	}
	switch n := im.Predicted(); {
	case n == 0:
		return "no layer runs"
	case n == 1:
		return fmt.Sprintf("1 of %d layers runs", steps)
	default:
		return fmt.Sprintf("%d of %d layers run", n, steps)
	}
}

func printTotals(v *voice, p *impact.Plan) {
	rebuilds, keeps := 0, 0
	for _, im := range p.Images {
		if !im.Selected {
			continue
		}
		if im.Action == impact.Rebuild {
			rebuilds++
		} else {
			keeps++
		}
	}
	if rebuilds == 0 {
		v.say("nothing to rebuild: %s up to date", count(keeps, "image is", "images are"))
		return
	}
	line := fmt.Sprintf("%s to rebuild, %d to keep", count(rebuilds, "image", "images"), keeps)
	if p.Estimate != nil {
		line += ", about " + seconds(*p.Estimate)
	}
	v.say("%s", line)
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
			return fmt.Sprintf("commit %.12s (%s)", s.Commit, s.Rev)
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
			at = fmt.Sprintf(" (%s:%d %s)", l.Dockerfile, l.Line, l.Instruction)
		}
	}
	switch r.Kind {
	case impact.ReasonFile:
		change := string(r.Change)
		if change == "" {
			change = "changed"
		}
		return change + " " + r.Path + at
	case impact.ReasonDockerfile:
		if detail := detailOf(r); detail != "" {
			return r.Path + ": " + detail
		}
		return r.Path + " changed" + at
	case impact.ReasonIgnore:
		return r.Path + " lets other files through" + at
	case impact.ReasonArg:
		return fmt.Sprintf("build argument %s: %s%s", r.Arg, detailOf(r), at)
	case impact.ReasonConfig:
		if detail := detailOf(r); detail != "" {
			return "its definition changed: " + detail
		}
		return "its definition changed" + at
	case impact.ReasonParent:
		return "built on " + r.Image + at
	case impact.ReasonBase:
		return "the base image " + r.Image + " moved" + at
	case impact.ReasonMissing:
		return detailOf(r)
	case impact.ReasonNew:
		return "never built, as far as is known"
	case impact.ReasonFailed:
		return "its last build failed"
	case impact.ReasonForced:
		return "asked for"
	}
	return path.Join(string(r.Kind), r.Path)
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
