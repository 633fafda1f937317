package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/docker"
	"rebuild/docker/run"
	"rebuild/impact"
	"rebuild/watch/daemon"
)

// runView shows a run while it goes on, and tells each failure once.
type runView struct {
	p          *terminal.Printer
	mode       string
	plan       *impact.Plan
	critical   func(image string) string // the critical phase that it is in, "" for none
	requiredBy func(image string) (needed []string, optional []impact.Phase)
	tracker    *run.Tracker
	stopped    bool // by a failure in a critical phase, which was told
}

func newRunView(p *terminal.Printer, mode string, planned *session.Planned) *runView {
	return &runView{
		p: p, mode: mode, plan: planned.Plan, requiredBy: planned.RequiredBy, tracker: run.NewTracker(planned.Plan, planned.Span),
		critical: func(image string) string {
			for _, ph := range planned.Target.Catalog.Phases {
				if ph.Critical && slices.Contains(ph.Images, image) {
					return ph.Name
				}
			}
			return ""
		},
	}
}

// show shows a run. On a terminal there are lines below all that is said, which say what
// goes on; elsewhere each fact is a line.
func (v *runView) show(ctx context.Context, do func(session.Shown) (*run.Report, error)) (*run.Report, error) {
	acts(ctx)
	switch v.mode {
	case quiet:
		return do(session.Shown{Observe: v.onlyFailures})
	case auto:
		live := terminal.NewLive(v.p.Err)
		if !live.Terminal {
			return do(session.Shown{Observe: v.facts})
		}
		before := v.p.Err
		v.p.Err = live // whatever is said meanwhile stands above the live lines
		defer func() { v.p.Err = before }()
		drawing, end := context.WithCancel(context.WithoutCancel(ctx)) // also while an interrupted run ends
		drawn := make(chan struct{})
		go func() {
			defer close(drawn)
			live.Run(drawing, func(_ context.Context, width int) ([]string, bool) {
				return runLines(v.p, v.tracker.Now(), width, ctx.Err() != nil), true
			})
		}()
		defer func() {
			end()
			<-drawn
		}()
		return do(session.Shown{Observe: v.onlyFailures})
	}
	return v.scroll(ctx, do)
}

// scroll shows a run by BuildKit's own display, which must not be written into.
func (v *runView) scroll(ctx context.Context, do func(session.Shown) (*run.Report, error)) (*run.Report, error) {
	progress, err := docker.NewProgress(v.p.Err, v.mode, v.p.Seen)
	if err != nil {
		return nil, err
	}
	report, err := do(session.Shown{Progress: progress})
	if closeErr := progress.Close(); err == nil && closeErr != nil && ctx.Err() == nil {
		v.p.Warn("progress: %v", closeErr)
	}
	if report != nil {
		for _, o := range report.Outcomes {
			v.onlyFailures(o.Image, nil, &o)
		}
	}
	return report, err
}

// onlyFailures tells of those (session.Shown.Observe).
func (v *runView) onlyFailures(image string, steps *docker.StepLog, o *run.Outcome) {
	v.tracker.Observe(image, steps, o)
	switch {
	case o == nil:
	case o.Status == run.Failed:
		v.failed(*o)
	case o.Status == run.Moved:
		v.p.Warn("%s", movedText(*o))
	}
}

// facts tells of all that happens to an image (session.Shown.Observe).
func (v *runView) facts(image string, steps *docker.StepLog, o *run.Outcome) {
	v.onlyFailures(image, steps, o)
	switch {
	case o == nil:
		cause, estimate := "", 0.0
		if ip := v.plan.Image(image); ip != nil {
			cause = reasonsText(daemon.CauseOf(ip))
			if ip.Estimate != nil {
				estimate = *ip.Estimate
			}
		}
		v.p.Message("rebuild: %s", buildingText(image, estimate, cause))
	case o.Status == run.Built:
		v.p.Message("rebuild: %s", builtText(*o))
	case o.Status == run.CutOff:
		v.p.Message("rebuild: %s", cutOffText(image))
	case o.Status == run.Skipped && o.Because != "":
		v.p.Message("rebuild: %s is skipped because of %s", name(image), name(o.Because))
	}
}

// failed tells of a failure, unless it is that of the engine, which the run ends by: the
// last lines that the step printed, where and why, who needed the image, and where the
// rest of its log is.
func (v *runView) failed(o run.Outcome) {
	var gone *docker.Unreachable
	if errors.As(o.Err, &gone) {
		return
	}
	p, f := v.p, o.Failure(v.plan.Image(o.Image))
	if v.mode != "plain" && v.mode != "tty" { // which show them
		for _, line := range f.Log {
			p.Message("  | %s", terminal.LogLine(line))
		}
	}
	text := fmt.Sprintf("%s failed: %s", name(o.Image), failureText(&f))
	if cause := shortCause(f.Cause); cause != "" {
		text += ": " + cause
	}
	p.Fail(text, "")
	if phase := v.critical(o.Image); phase != "" && !v.stopped {
		v.stopped = true
		p.Fail(fmt.Sprintf("cannot go on without %s: phase %q is critical", name(o.Image), phase), "")
	}
	needed, optional := v.requiredBy(o.Image)
	if len(needed) > 0 {
		p.Message("rebuild: %s is required by: %s", name(o.Image), names(needed))
	}
	for _, ph := range optional {
		p.Message("rebuild: %s is also required by the %s: %s", name(o.Image), ph.Name, names(ph.Images))
	}
	var (
		fault *impact.Fault
		built *docker.BuildFailure
	)
	switch {
	case errors.As(o.Err, &fault):
		p.Hint(fault.Hint)
	case errors.As(o.Err, &built) && built.LogFile != "" && built.Step != "": // else it has printed nothing
		p.Hint("rebuild logs " + impact.ShellWord(o.Image))
	}
}

// ranInVain is what BuildKit puts before the exit code of a step (executor/errors), and
// before 0.11 did: the step is named already.
var ranInVain = regexp.MustCompile(`^.*(?:did not complete successfully|executor failed running \[.*\]): `)

// shortCause is why a build failed, without what stands beside it.
func shortCause(cause string) string { return ranInVain.ReplaceAllString(cause, "") }

// phasesFrom is the width of a terminal that has room for phases.
const phasesFrom = 100

// runLines are how far a run is in lines for a terminal of so many columns: the images
// that are built, and two for all.
func runLines(p *terminal.Printer, now run.Progress, width int, stopping bool) []string {
	var rows [][]string
	for _, b := range now.Builds {
		row := []string{name(b.Image), buildText(b.Elapsed, b.Left, b.Layer)}
		if width >= phasesFrom && b.Phase != "" {
			row = slices.Insert(row, 1, name(b.Phase))
		}
		rows = append(rows, row)
	}
	lines := p.TableLines("  ", rows, width)
	if len(now.Longest) > 1 {
		lines = append(lines, fmt.Sprintf("  longest: %s, about %s", strings.Join(terminal.QuotedAll(now.Longest), " > "), seconds(now.LongestLeft)))
	}
	last := fmt.Sprintf("  %d of %d", now.Done, now.All)
	if now.Failed > 0 {
		last += fmt.Sprintf(", %d failed", now.Failed)
	}
	switch {
	case stopping:
		last += ", stopping"
	case now.Left != nil && *now.Left > 0: // at 0 nobody knows
		last += ", about " + seconds(*now.Left) + " left"
	}
	if width < phasesFrom && len(now.Phases) > 0 {
		last += ", in " + names(now.Phases)
	}
	return append(lines, last)
}
