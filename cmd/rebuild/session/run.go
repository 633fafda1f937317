package session

import (
	"context"
	"errors"
	"fmt"

	"rebuild/docker"
	"rebuild/docker/audit"
	"rebuild/docker/record"
	"rebuild/docker/registry"
	"rebuild/docker/run"
	"rebuild/impact"
)

// Refresh forgets what the engine held: another run may have changed it.
func (s *Session) Refresh() { s.engine.refresh() }

// Shown is who sees how a run goes on. The zero value is nobody.
type Shown struct {
	Progress *docker.Progress // what builds say
	Observe  func(image string, steps *docker.StepLog, o *run.Outcome)
}

// Run carries a plan out, under the run's lock.
func (s *Session) Run(ctx context.Context, p *Planned, shown Shown) (*run.Report, error) {
	job, err := s.Job(ctx, p)
	if err != nil {
		return nil, err
	}
	r, err := s.newRun(ctx, p, job)
	if err != nil {
		return nil, err
	}
	r.Progress, r.Observe = shown.Progress, shown.Observe
	if r.Push {
		if err := p.mayPush(ctx); err != nil {
			return nil, err
		}
	}
	return r.Do(ctx)
}

// mayPush refuses a run whose images a registry does not take, before it builds any.
func (p *Planned) mayPush(ctx context.Context) error {
	var refs []string
	for _, name := range p.Plan.Rebuilds() {
		im, _ := p.Target.Catalog.Image(name)
		refs = append(refs, im.Refs...)
	}
	err := registry.MayPush(ctx, refs)
	var refused *registry.Refused
	if errors.As(err, &refused) {
		return &impact.Fault{Cause: refused.Error(), Hint: "docker login " + impact.ShellWord(refused.Registry)}
	}
	return err
}

// Following is how somebody follows a run, and gives it newer jobs.
type Following struct {
	Updates <-chan run.Job
	Observe func(image string, steps *docker.StepLog, o *run.Outcome)
	Waits   func(Holder) // is told when another run has the lock
}

// RunLocked carries a job out under the run's lock. When another run had that, it may have
// built everything: then nothing is done, since a new plan comes first.
func (s *Session) RunLocked(ctx context.Context, p *Planned, job run.Job, f Following) (report *run.Report, waited bool, err error) {
	release, err := Lock(ctx, s.RunLock(), true, func(h Holder) {
		waited = true
		f.Waits(h)
	})
	if err != nil {
		return nil, waited, err
	}
	defer func() {
		if releaseErr := release(); err == nil {
			err = releaseErr
		}
	}()
	if waited {
		return nil, true, nil
	}
	r, err := s.newRun(ctx, p, job)
	if err != nil {
		return nil, false, err
	}
	r.Updates, r.Observe = f.Updates, f.Observe
	report, err = r.Do(ctx)
	return report, false, err
}

// newRun readies a run of a job for a plan, under the run's lock, and clears up after one
// that was killed.
func (s *Session) newRun(ctx context.Context, p *Planned, job run.Job) (*run.Run, error) {
	r, err := s.runWith(ctx, p, s.engine.records)
	if err != nil {
		return nil, err
	}
	if err := r.Journal.Recover(ctx, s.engine.conn); err != nil {
		return nil, err
	}
	r.Job = job
	return r, nil
}

// CanBuild asks the engine whether it can build. The error is a *docker.NoBuildKit, or that of
// an engine that does not answer.
func (s *Session) CanBuild(ctx context.Context) error { return s.engine.conn.CanBuild(ctx) }

// runWith readies a run that keeps its records in a store, on an engine that can build.
func (s *Session) runWith(ctx context.Context, p *Planned, records *record.Store) (*run.Run, error) {
	if err := s.CanBuild(ctx); err != nil {
		return nil, err
	}
	if err := record.UseEngine(s.engine.dir, s.engine.id); err != nil {
		return nil, err
	}
	if err := records.Tidy(); err != nil {
		s.warn(err.Error())
	}
	journal, warning := run.OpenJournal(records.JournalFile())
	if warning != "" {
		s.warn(warning)
	}
	q := p.query
	return &run.Run{
		Builder: s.engine.conn, Records: records, Journal: journal,
		Slots: q.Slots, FailFast: q.FailFast, Push: q.Push,
		AuditLog: audit.OpenLog(s.engine.records.AuditFile()),
	}, nil
}

// Job is a plan with what its builds need.
func (s *Session) Job(ctx context.Context, p *Planned) (run.Job, error) {
	images, err := s.engine.images(ctx)
	if err != nil {
		return run.Job{}, err
	}
	states, err := s.byteStates(ctx, p)
	if err != nil {
		return run.Job{}, err
	}
	reqs, err := s.newRequests(ctx, p, states)
	if err != nil {
		return run.Job{}, err
	}
	job := run.Job{Plan: p.Plan, Images: images, Made: p.Made, States: states, Request: reqs.request, Costs: p.costs()}
	if job.Builders, job.Able, err = s.builders(ctx, states.Catalog); err != nil {
		return run.Job{}, err
	}
	q := p.query
	if q.At == "" {
		job.Settled = reqs.settled
	}
	if !q.againstRecords() && !q.NoCache && !q.Pull && !q.Push {
		job.UpToDate = func(name string) bool {
			rec := p.Records[name]
			if rec == nil || !rec.IsOf(states.States[name]) {
				return false
			}
			_, lacks := s.engine.missing(ctx, p.Target, name, rec, images)
			return !lacks
		}
	}
	return job, nil
}

// ClearUp removes what a killed run left, when this one has nothing to build.
func (s *Session) ClearUp(ctx context.Context) error {
	journal, warning := run.OpenJournal(s.engine.records.JournalFile())
	if warning != "" {
		s.warn(warning)
	}
	if !journal.Unfinished() {
		return nil
	}
	if err := journal.Recover(ctx, s.engine.conn); err != nil {
		return err
	}
	images, err := s.engine.conn.Images(ctx)
	if err != nil {
		return err
	}
	_, err = journal.Sweep(ctx, s.engine.conn, images)
	return err
}

// SharedTags refuses a plan that would build two different images under one tag.
func (p *Planned) SharedTags() error {
	cat := p.Target.Catalog
	owner := map[string]string{}
	for _, name := range p.Plan.Rebuilds() {
		im, _ := cat.Image(name)
		for _, ref := range im.Refs {
			if other, ok := owner[ref]; ok && other != name { // else it has one tag in two spellings
				return definitionFault(&impact.Fault{
					Cause: fmt.Sprintf("%s and %s would both be built as %s", other, name, ref),
					Hint:  fmt.Sprintf("give one of them another tag, or name one: rebuild %s", impact.ShellWord(other)),
				}, cat)
			}
			owner[ref] = name
		}
	}
	return nil
}

// Audits gives the audits that were kept of the engine's runs, the oldest first. Unknown
// says why the engine could not be asked who it is: then they are of the one that was
// used last.
func (s *Session) Audits(ctx context.Context) (audits []audit.Audit, unknown error, err error) {
	if _, unknown = s.engine.confirm(ctx); ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	audits, warning, err := audit.OpenLog(s.engine.records.AuditFile()).Read()
	if warning != "" {
		s.warn(warning)
	}
	return audits, unknown, err
}
