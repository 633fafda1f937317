package run

import (
	"context"
	"time"

	"rebuild/docker"
	"rebuild/docker/audit"
	"rebuild/impact"
)

// audit compares the run with its plans, and keeps what comes of it. The builder is
// asked only about a layer that ran although it was predicted to be cached.
func (x *execution) audit(ctx context.Context) {
	in := audit.Input{Before: x.before, Vouching: x.Vouching, Killed: x.Journal.killed, Log: x.AuditLog}
	built := false
	for _, o := range x.report.Outcomes {
		in.Outcomes = append(in.Outcomes, audited(o))
		if o.Result != nil {
			built, in.CopiesLink = true, in.CopiesLink || o.Result.CopiesLink
		}
	}
	version := ""
	if x.fatal == nil && built {
		version, _ = x.Builder.Version(ctx) // known since the first build
	}
	a := audit.Compare(in)
	if a == nil {
		return
	}
	a.Ended, a.Engine = time.Now(), version
	if a.Layers.Unsound > 0 && x.fatal == nil {
		a.Explain(x.evidence(ctx))
	}
	x.report.Audit = a
	if x.AuditLog == nil {
		return
	}
	if err := x.AuditLog.Append(a); err != nil {
		x.report.Warnings = append(x.report.Warnings, err.Error())
	}
}

// audited is an outcome as an audit takes it.
func audited(o Outcome) audit.Outcome {
	out := audit.Outcome{Image: o.Image, Made: o.record}
	switch o.Status {
	case Built:
		out.End = audit.Built
	case Kept:
		out.End = audit.Kept
	case CutOff:
		out.End = audit.CutOff
	case Failed, Cancelled, Superseded, Moved:
		out.End = audit.Unfinished
	}
	b := o.build
	if b == nil {
		return out
	}
	out.Build = &audit.Build{
		Plan: b.job.Plan, Predicted: b.predicted, State: b.state, Old: b.old, Parents: b.parents,
		BaseIDs: baseIDs(b.job.Images, b.state),
		NoCache: b.unplanned.noCache, Pull: b.unplanned.pull, ArgsIgnored: b.unplanned.argsIgnored,
		Edited: o.Edited, Elsewhere: b.elsewhere(),
	}
	if o.Result != nil {
		for _, s := range o.Result.Steps {
			if s.Ran() {
				out.Build.Ran = append(out.Build.Ran, audit.Step{Name: s.Name, Line: s.Line})
			}
		}
	}
	return out
}

// baseIDs are the ids of a state's external bases, nil when they are not known.
func baseIDs(images docker.Images, st *impact.State) map[string]string {
	if !images.Known() {
		return nil
	}
	ids := map[string]string{}
	for _, base := range st.Bases {
		ids[base.Ref] = images.ID(base.Ref)
	}
	return ids
}

// evidenceTime bounds the asking, also after an interruption: an engine that is busy
// leaves the cause open.
const evidenceTime = 10 * time.Second

// evidence asks the builder. What cannot be asked is no evidence.
func (x *execution) evidence(ctx context.Context) audit.Evidence {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), evidenceTime)
	defer cancel()
	e := audit.Evidence{Begun: x.begun}
	if now, err := x.Builder.Images(ctx); err == nil && now.Known() {
		e.BaseIDs = now.ID
	}
	entries, err := x.Builder.CacheUsage(ctx)
	e.Asked = err == nil
	for _, entry := range entries {
		e.Cache = append(e.Cache, audit.CacheEntry(entry))
	}
	return e
}
