package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rebuild/docker"
)

// build checks images by building them, and says what became of them.
func (h *prePush) build(ctx context.Context, c pushed, u *unbuilt, names []string) error {
	begun := time.Now()
	bounded, cancel := ctx, context.CancelFunc(func() {})
	if u.plan.Estimate == nil && h.budget > 0 { // nobody knows how long: then the clock decides
		bounded, cancel = context.WithTimeout(ctx, h.budget)
	}
	defer cancel()
	p, report, err := h.carryOut(bounded, c, u, names)
	late := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	var gone *docker.Unreachable
	switch {
	case errors.As(err, &gone) && !h.strict:
		h.notChecked(c, names, gone.Error())
		return nil
	case late && report == nil:
		h.notChecked(c, names, fmt.Sprintf("not begun within the budget of %s", h.budget))
		return nil
	case err != nil && !late:
		return err
	}
	passed, unfinished := h.judge(c, p, report, names, u.policy)
	if len(unfinished) > 0 {
		h.notChecked(c, unfinished, fmt.Sprintf("not done within the budget of %s", h.budget))
	}
	if passed > 0 && h.progress != "quiet" {
		h.voice.tell("rebuild: %s: checked %s of %.12s in %s", c.ref, count(passed, "image", "images"), c.commit, seconds(time.Since(begun).Seconds()))
	}
	return nil
}

// judge tells what of the images passed, and stops the push for one that failed
// unless its phase only warns.
func (h *prePush) judge(c pushed, p *planning, report *docker.Report, names []string, policy map[string]string) (passed int, unfinished []string) {
	var failed, warned []string
	for _, o := range report.Outcomes {
		if o.Status == docker.Failed {
			printFailure(h.voice, p, report, o)
		}
		switch {
		case !slices.Contains(names, o.Image):
		case o.Status == docker.Cancelled, o.Status == docker.Skipped && o.Because == "":
			unfinished = append(unfinished, o.Image)
		case o.Status != docker.Failed && o.Status != docker.Skipped:
			passed++
		case policy[o.Image] == "warn":
			warned = append(warned, o.Image)
		default:
			failed = append(failed, o.Image)
		}
	}
	h.w.warnAll(report.Warnings)
	if len(warned) > 0 {
		h.voice.warn("%s: cannot be built at %.12s: %s", c.ref, c.commit, listed(warned))
	}
	if len(failed) > 0 {
		h.voice.tell("rebuild: error: %s: cannot be built at %.12s, so the push is stopped: %s", c.ref, c.commit, listed(failed))
		h.voice.hint("git push --no-verify pushes it all the same")
		h.stopped = true
		return passed, nil
	}
	return passed, unfinished
}
