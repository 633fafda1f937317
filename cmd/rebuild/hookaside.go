package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"rebuild/docker"
	"rebuild/impact"
	"rebuild/impact/llb"
)

// executeAside carries a plan out beside what the user works with: no tag moves, no
// record changes. Images are built under references of their own, so that each is
// built on the parents of the same commit, and these are taken away again; what the
// builds ran stays in BuildKit's cache.
func (w *workspace) executeAside(ctx context.Context, p *planning, mode string) (report *docker.Report, err error) {
	if err := docker.UseEngine(p.memory.dir, p.memory.id); err != nil {
		return nil, err
	}
	records := w.asideRecords(p.memory.id)
	if err := records.Tidy(); err != nil {
		w.voice.warn("%v", err)
	}
	held, err := p.memory.held()
	if err != nil {
		return nil, err
	}
	journal, warning := records.OpenJournal()
	if warning != "" {
		w.voice.warn("%s", warning)
	}
	states, err := w.byteStates(ctx, p)
	if err != nil {
		return nil, err
	}
	prep, err := w.newPreparation(ctx, p, states)
	if err != nil {
		return nil, err
	}
	prep.records = records
	a := &aside{prep: prep, engine: p.memory.engine, prefix: asidePrefix(w.state), made: map[string]string{}}
	if err := a.clear(ctx); err != nil { // of a run that was killed
		return nil, err
	}
	defer func() {
		if clearErr := a.clear(ctx); clearErr != nil {
			w.voice.warn("images of the check are left for the next one: %v", clearErr)
		}
	}()
	progress, err := docker.NewProgress(w.voice.err, mode)
	if err != nil {
		return nil, err
	}
	run := &docker.Run{
		Work:   docker.Work{Plan: p.plan, Images: held, States: states, Request: a.request, Anew: true, Costs: p.costs()},
		Engine: a.engine, Records: records, Journal: journal,
		Slots: w.flags.parallel, Progress: progress,
		AuditLog: p.memory.records.AuditLog(), Vouching: p.records,
	}
	report, err = run.Do(ctx)
	if closeErr := progress.Close(); err == nil && closeErr != nil && ctx.Err() == nil {
		w.voice.warn("progress: %v", closeErr)
	}
	return report, err
}

// asideRecords are the records of what was built aside, for the times of its steps
// alone: the images are gone.
func (w *workspace) asideRecords(engineID string) *docker.Records {
	return docker.OpenRecords(filepath.Join(w.state, "push"), engineID)
}

// aside gives images references of their own.
type aside struct {
	prep   *preparation
	engine *docker.Engine
	prefix string // of the references, of this repository alone

	mu   sync.Mutex
	made map[string]string // guarded by mu: image -> its reference
}

// asidePrefix is the repository of the references of one checkout's checks.
func asidePrefix(state string) string {
	return "rebuild.local/push/" + shortDigest("repository", state) + "/"
}

// shortDigest is a text as a part of a reference may have it.
func shortDigest(kind, text string) string {
	return strings.TrimPrefix(string(impact.DigestOf(kind, text)), "sha256:")[:12]
}

// request prepares the build of an image on those of its parents that the run
// built. A parent that the run left alone is in the engine as the commit has it.
func (a *aside) request(ctx context.Context, name string) (docker.Request, error) {
	req, err := a.prep.request(ctx, name)
	if err != nil {
		return req, err
	}
	req.Image.Contexts = slices.Clone(req.Image.Contexts)
	req.Image.Pull, req.Pull = false, false // no registry has these references
	ref := fmt.Sprintf("%s%s:%.12s", a.prefix, shortDigest("image", name), a.prep.tree.Side().Commit)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, parent := range a.prep.states.States[name].Parents {
		if made, ok := a.made[parent.Image]; ok {
			if err := redirect(&req, parent, made); err != nil {
				return req, err
			}
		}
	}
	a.made[name] = ref
	req.Refs = []string{ref}
	return req, nil
}

// redirect makes a build take a parent from another reference: as a named context,
// which replaces an image by its name wherever it is read.
func redirect(req *docker.Request, parent impact.Parent, made string) error {
	name, err := llb.ContextName(parent.Ref)
	if err != nil {
		return err
	}
	named := false
	for i, c := range req.Image.Contexts {
		switch {
		case c.Image == parent.Image:
			req.Parents[c.Image] = made
		case c.Ref != "":
			if full, err := docker.NormalRef(strings.TrimPrefix(c.Ref, "docker-image://")); err == nil && full == parent.Ref {
				req.Image.Contexts[i].Ref = made
			}
		}
		if own, err := llb.ContextName(c.Name); err == nil && own == name {
			named = true
		}
	}
	if !named {
		req.Image.Contexts = append(req.Image.Contexts, impact.NamedContext{Name: name, Ref: made})
	}
	return nil
}

// clearTime bounds the cleaning up after an interruption.
const clearTime = 5 * time.Second

// clear takes all references of checks away, and with them the images that have no
// other.
func (a *aside) clear(ctx context.Context) error {
	if a.engine.IsBuilder() {
		return nil // it keeps no images
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearTime)
	defer cancel()
	held, err := a.engine.Images(ctx)
	if err != nil {
		return err
	}
	for _, ref := range held.Refs() {
		if strings.HasPrefix(ref, a.prefix) {
			if removeErr := a.engine.Remove(ctx, ref); removeErr != nil && err == nil {
				err = removeErr
			}
		}
	}
	return err
}
