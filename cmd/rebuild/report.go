package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rebuild/docker"
	"rebuild/impact"
)

// printReport says what became of a run: the failures with their last log lines
// on stderr, the summary on stdout.
func printReport(v *voice, p *planning, r *docker.Report, took time.Duration, quiet bool) {
	for _, o := range r.Outcomes {
		if o.Status == docker.Failed {
			printFailure(v, p, r, o)
		}
	}
	for _, s := range r.Warnings {
		v.warn("%s", s)
	}
	for _, o := range r.Outcomes {
		if o.Changed {
			v.warn("files of %s were edited while it was built: the next run builds it again", o.Image)
		}
		if o.Result != nil {
			for _, s := range o.Result.Warnings {
				v.warn("%s: %s", o.Image, s)
			}
		}
	}
	if !quiet {
		printSummary(v, p, r, took)
	}
}

// printFailure writes a failure in the form that people grep for.
func printFailure(v *voice, p *planning, r *docker.Report, o docker.Outcome) {
	where, what := failurePlace(p, o)
	var bf *docker.BuildFailure
	if errors.As(o.Err, &bf) {
		for _, line := range bf.LastLog {
			v.tell("  | %s", line)
		}
	}
	v.tell("[FAILED] %s", strings.Join(slices.DeleteFunc([]string{o.Image, where, what}, func(s string) bool { return s == "" }), "  "))
	if bf != nil {
		v.tell("[INFO] cause: %s", oneLine(bf.Cause.Error()))
		if bf.LogFile != "" {
			v.tell("[INFO] whole log: %s", bf.LogFile)
		}
	}
	if r.Critical == o.Image {
		v.tell("[ERROR] cannot go on without %s: phase %q is critical", o.Image, phaseName(p, o.Image))
	}
	needed, optional := dependents(p, o.Image)
	if len(needed) > 0 {
		v.tell("[INFO] required by: %s", strings.Join(needed, ", "))
	}
	for _, ph := range optional {
		v.tell("[INFO] also required by the %s: %s", ph.Name, strings.Join(ph.Images, ", "))
	}
	var fault *impact.Fault
	if errors.As(o.Err, &fault) {
		v.hint(fault.Hint)
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// failurePlace gives the place of a failure and the instruction there.
func failurePlace(p *planning, o docker.Outcome) (where, what string) {
	var bf *docker.BuildFailure
	var fault *impact.Fault
	switch {
	case errors.As(o.Err, &bf):
		if where = bf.Dockerfile; bf.Line > 0 {
			where = fmt.Sprintf("%s:%d", bf.Dockerfile, bf.Line)
		}
		what = bf.Step
		ip := p.plan.Image(o.Image) // nil when a definition that is newer than the build has no such image
		for i := 0; ip != nil && i < len(ip.Layers); i++ {
			if l := ip.Layers[i]; l.Name == bf.Step && l.Instruction != "" {
				what = l.Instruction
			}
		}
	case errors.As(o.Err, &fault):
		return faultPlace(fault)
	default:
		what = oneLine(o.Err.Error())
	}
	return where, what
}

func faultPlace(f *impact.Fault) (where, what string) {
	if where = f.Path; f.Line > 0 {
		where = fmt.Sprintf("%s:%d", f.Path, f.Line)
	}
	return where, f.Cause
}

func phaseName(p *planning, image string) string {
	for _, ph := range p.plan.Phases {
		if slices.Contains(ph.Images, image) {
			return ph.Name
		}
	}
	return ""
}

// dependents are the images that need one, those of optional phases apart.
func dependents(p *planning, image string) (needed []string, optional []impact.Phase) {
	all := p.target.DependentsOf(image)
	phases, _, err := impact.Phases(p.target)
	if err != nil {
		return all, nil
	}
	for _, ph := range phases {
		var in []string
		for _, n := range ph.Images {
			if slices.Contains(all, n) {
				in = append(in, n)
			}
		}
		if len(in) == 0 {
			continue
		}
		if ph.Optional {
			optional = append(optional, impact.Phase{Name: ph.Name, Images: in})
		} else {
			needed = append(needed, in...)
		}
	}
	return needed, optional
}

// printSummary writes one line for each image that the run had to do with, and
// one for all.
func printSummary(v *voice, p *planning, r *docker.Report, took time.Duration) {
	width := 0
	for _, o := range r.Outcomes {
		width = max(width, len(o.Image))
	}
	for _, o := range r.Outcomes {
		line := fmt.Sprintf("  %-*s  %-8s", width, o.Image, o.Status)
		switch o.Status {
		case docker.Built:
			line += fmt.Sprintf("  %6s  %s ran, %d foretold", seconds(o.Duration.Seconds()), count(o.Ran, "layer", "layers"), o.Foretold)
		case docker.Skipped:
			if o.Because != "" {
				line += "  because of " + o.Because
			}
		case docker.Kept:
			if p.plan.Image(o.Image).Action == impact.Keep {
				continue // nothing was expected of it
			}
		}
		v.say("%s", strings.TrimRight(line, " "))
	}
	kept := 0
	for _, im := range p.plan.Images {
		if im.Selected && r.Outcome(im.Name) == nil {
			kept++
		}
	}
	parts := []string{fmt.Sprintf("built %d", r.Count(docker.Built)), fmt.Sprintf("kept %d", kept+r.Count(docker.Kept))}
	for _, s := range []docker.Status{docker.CutOff, docker.Failed, docker.Skipped, docker.Cancelled} {
		if n := r.Count(s); n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", s, n))
		}
	}
	v.say("%s in %s", strings.Join(parts, ", "), seconds(took.Seconds()))
}
