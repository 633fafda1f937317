package main

import (
	"fmt"
	"strings"

	"rebuild/docker/run"
	"rebuild/impact"
	"rebuild/watch/daemon"
)

// What a daemon says as data, in words: why an image is rebuilt, why it is not yet, and
// where it failed.

// reasonsText is why an image is rebuilt, in a few words.
func reasonsText(c *daemon.Cause) string {
	if c == nil {
		return ""
	}
	r, text := c.Reason, ""
	switch r.Kind {
	case impact.ReasonFile, impact.ReasonDockerfile, impact.ReasonIgnore:
		text = name(r.Path)
	case impact.ReasonParent, impact.ReasonBase:
		text = name(r.Image)
	case impact.ReasonArg:
		text = "build argument " + name(r.Arg)
		if r.Old != nil || r.New != nil { // else that it changed goes without saying
			text += " " + argText(r)
		}
	default:
		text = reasonText(imageOfCause(c))
	}
	if c.More > 0 {
		text += fmt.Sprintf(" and %d more", c.More)
	}
	return text
}

// imageOfCause is a cause as reasonText takes it: as a reason of an image, of which it
// names a layer.
func imageOfCause(c *daemon.Cause) (*impact.ImagePlan, impact.Reason) {
	ip, r := &impact.ImagePlan{}, c.Reason
	if r.Layer = 0; c.Layer != nil {
		ip.Layers = []impact.LayerPlan{{Dockerfile: c.Layer.File, Line: c.Layer.Line, Instruction: c.Layer.Instruction}}
		r.Layer = 1
	}
	return ip, r
}

// waitsText is why an image is not built, though it is stale.
func waitsText(w *daemon.Waits) string {
	switch w.Kind {
	case daemon.WaitsForImage:
		return "waits for " + name(w.For)
	case daemon.WaitsForCritical:
		return "waits for " + name(w.For) + ", whose phase is critical"
	case daemon.WaitsFailed:
		return "its last build failed"
	case daemon.WaitsAtFault:
		return "it cannot be built"
	case daemon.WaitsAtStart:
		return "it was stale before the daemon started"
	case daemon.WaitsRestless:
		return "it does not come to rest: it was built several times in a row"
	}
	return "waits: " + string(w.Kind)
}

// imageCause is why an image is built, or why it is not.
func imageCause(im daemon.ImageStatus) string {
	if im.Waits != nil {
		return waitsText(im.Waits)
	}
	return reasonsText(im.Cause)
}

// placeText is a line of a file; 0 is none.
func placeText(file string, line int) string { return placeOf(name(file), line) }

// placeOf is placeText for programs.
func placeOf(file string, line int) string {
	if line > 0 {
		return fmt.Sprintf("%s:%d", file, line)
	}
	return file
}

// failureText is where and why a build failed.
func failureText(f *daemon.Failure) string {
	return strings.TrimSpace(placeText(f.File, f.Line) + " " + f.What)
}

// buildingText says that the build of an image begins: about how many seconds it takes, 0
// when nobody knows, and why.
func buildingText(image string, estimate float64, cause string) string {
	text := image + " is rebuilt"
	if estimate > 0 {
		text += ", about " + seconds(estimate)
	}
	if cause != "" {
		text += ": " + cause
	}
	return text
}

// builtText says that a build has ended well.
func builtText(o run.Outcome) string {
	on := ""
	if o.Builder != "" {
		on = " on " + o.Builder
	}
	return fmt.Sprintf("%s was built in %s%s, %s ran", o.Image, seconds(o.Duration.Seconds()), on, count(o.Ran, "layer", "layers"))
}

// cutOffText says that an image need not be built.
func cutOffText(image string) string {
	return image + " is kept: what it is built on came out the same"
}

// buildText is how far a build is.
func buildText(elapsed float64, left *float64, l *run.Layer) string {
	parts := []string{seconds(elapsed)}
	if left != nil && *left > 0 { // at 0 nobody knows
		parts = append(parts, "about "+seconds(*left)+" left")
	}
	if l != nil && l.Line > 0 {
		parts = append(parts, placeText(l.File, l.Line)+" "+l.Instruction)
	} else if l != nil {
		parts = append(parts, l.Instruction)
	}
	return strings.Join(parts, ", ")
}
