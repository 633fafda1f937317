package main

import (
	"fmt"
	"slices"
	"strings"

	"rebuild/hooks"
)

// What the hook tells: nothing, as long as there is nothing to say.

// tellCosts says what is about to be done, and what a change of an image that
// others are built on costs.
func (h *prePush) tellCosts(c pushed, u *unbuilt, names []string) {
	line := fmt.Sprintf("rebuild: %s %s..%.12s: %s to check", c.ref, c.from(), c.commit, count(len(names), "image", "images"))
	if u.plan.Estimate != nil {
		line += ", about " + seconds(u.cost(names, u.built, h.flags.parallel))
	}
	h.voice.tell("%s", line)
	for _, name := range names {
		if u.plan.Image(name).WaitsOnly() {
			continue
		}
		all := []string{name}
		for _, dependent := range u.target.DependentsOf(name) {
			if slices.Contains(names, dependent) {
				all = append(all, dependent)
			}
		}
		if len(all) == 1 {
			continue
		}
		line := fmt.Sprintf("rebuild: %s changes: %d images rebuild", name, len(all))
		if u.plan.Estimate != nil {
			line += ", about " + seconds(u.cost(all, u.built, h.flags.parallel))
		}
		if len(u.target.ParentsOf(name)) == 0 {
			line += "; base images should change rarely"
		}
		h.voice.tell("%s", line)
	}
}

// notChecked says what the push goes on without, or stops it.
func (h *prePush) notChecked(c pushed, names []string, why string) {
	text := fmt.Sprintf("%s: not checked: %s (%s); to build: %s", c.ref, listed(names), why, c.command())
	if !h.strict {
		h.voice.warn("%s", text)
		return
	}
	h.voice.tell("rebuild: error: %s", text)
	h.stopped = true
}

// command brings up to date by hand what the hook did not check.
func (c pushed) command() string {
	if hooks.IsZero(c.base) {
		return fmt.Sprintf("rebuild --all --at %.12s", c.commit)
	}
	return fmt.Sprintf("rebuild --all --since %.12s --at %.12s", c.base, c.commit)
}

// from is the baseline as a range is written.
func (c pushed) from() string {
	if hooks.IsZero(c.base) {
		return "(nothing)"
	}
	return fmt.Sprintf("%.12s", c.base)
}

// listed names images, the first ones of many.
func listed(names []string) string {
	if len(names) > maxListed {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
	}
	return strings.Join(names, ", ")
}
