package main

import (
	"fmt"

	"rebuild/hooks"
	"rebuild/hooks/prepush"
)

// tell prints what a check of a push finds: nothing, as long as there is nothing to say.
func (c *pushCheck) tell(e prepush.Event) {
	switch e := e.(type) {
	case prepush.OnlyPlanned:
		printPlan(c.p, e.Planned.Plan)
	case prepush.NeverBuilt:
		c.neverBuilt(e)
	case prepush.Beginning:
		c.beginning(e)
	case prepush.Checked:
		c.checked(e)
	case prepush.NotChecked:
		c.notChecked(e)
	}
}

func (c *pushCheck) neverBuilt(e prepush.NeverBuilt) {
	if len(e.Warn) > 0 {
		c.p.Warn("%s: not built at %.12s: %s", e.Commit.Ref, e.Commit.ID, listed(e.Warn))
	}
	if len(e.Stop) > 0 {
		c.p.Fail(fmt.Sprintf("%s: not built at %.12s, so the push is stopped: %s", e.Commit.Ref, e.Commit.ID, listed(e.Stop)), byHand(e.Commit))
	}
}

// beginning says what is about to be done, and what a change of an image that others are
// built on costs.
func (c *pushCheck) beginning(e prepush.Beginning) {
	c.p.Message("rebuild: %s %s..%.12s: %s to check%s", e.Commit.Ref, baseOf(e.Commit), e.Commit.ID, count(len(e.Images), "image", "images"), about(e.Seconds))
	for _, s := range e.Causes {
		line := fmt.Sprintf("rebuild: %s changes: %d images rebuild%s", s.Image, s.Images, about(s.Seconds))
		if s.Base {
			line += "; base images should change rarely"
		}
		c.p.Message("%s", line)
	}
}

func about(s *float64) string {
	if s == nil {
		return ""
	}
	return ", about " + seconds(*s)
}

func (c *pushCheck) checked(e prepush.Checked) {
	if len(e.Warned) > 0 {
		c.p.Warn("%s: cannot be built at %.12s: %s", e.Commit.Ref, e.Commit.ID, listed(e.Warned))
	}
	if len(e.Failed) > 0 {
		c.p.Fail(fmt.Sprintf("%s: cannot be built at %.12s, so the push is stopped: %s", e.Commit.Ref, e.Commit.ID, listed(e.Failed)), "git push --no-verify pushes it all the same")
	}
	if e.Passed > 0 && c.progress != quiet {
		c.p.Message("rebuild: %s: checked %s of %.12s in %s", e.Commit.Ref, count(e.Passed, "image", "images"), e.Commit.ID, seconds(e.Took.Seconds()))
	}
}

func (c *pushCheck) notChecked(e prepush.NotChecked) {
	text := fmt.Sprintf("%s: not checked: %s (%s); to build: %s", e.Commit.Ref, listed(e.Images), notCheckedText(e), byHand(e.Commit))
	if e.Stops {
		c.p.Fail(text, "")
		return
	}
	c.p.Warn("%s", text)
}

func notCheckedText(e prepush.NotChecked) string {
	switch e.Why {
	case prepush.OverBudget:
		return fmt.Sprintf("about %s, over the budget of %s", seconds(e.Seconds), e.Budget)
	case prepush.NotBegun:
		return fmt.Sprintf("not begun within the budget of %s", e.Budget)
	case prepush.NotDone:
		return fmt.Sprintf("not done within the budget of %s", e.Budget)
	}
	return e.Err.Error()
}

// byHand is the command that brings up to date what the hook did not check.
func byHand(c prepush.Commit) string {
	if hooks.IsZero(c.Base) {
		return fmt.Sprintf("rebuild --all --at %.12s", c.ID)
	}
	return fmt.Sprintf("rebuild --all --since %.12s --at %.12s", c.Base, c.ID)
}

// baseOf is the baseline as a range is written.
func baseOf(c prepush.Commit) string {
	if hooks.IsZero(c.Base) {
		return "(nothing)"
	}
	return fmt.Sprintf("%.12s", c.Base)
}

// listed names images, the first ones of many.
func listed(images []string) string {
	if len(images) > maxListed {
		return fmt.Sprintf("%s and %d more", names(images[:maxListed]), len(images)-maxListed)
	}
	return names(images)
}
