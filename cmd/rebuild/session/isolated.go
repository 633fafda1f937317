package session

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"rebuild/docker"
	"rebuild/docker/record"
	"rebuild/docker/run"
	"rebuild/impact"
	"rebuild/impact/llb"
)

// runIsolated carries a plan out beside what the user works with: no tag moves, no
// record changes. Images are built under references of their own, so that each is
// built on the parents of the same commit, and these are taken away again; what the
// builds ran stays in BuildKit's cache.
func (s *Session) runIsolated(ctx context.Context, p *Planned, shown Shown) (*run.Report, error) {
	r, err := s.runWith(ctx, p, s.isolatedRecords())
	if err != nil {
		return nil, err
	}
	states, err := s.byteStates(ctx, p)
	if err != nil {
		return nil, err
	}
	reqs, err := s.newRequests(ctx, p, states)
	if err != nil {
		return nil, err
	}
	reqs.records = r.Records
	iso := &isolated{reqs: reqs, engine: s.engine.conn, prefix: IsolatedPrefix(s.State), made: map[string]string{}}
	if err := iso.clear(ctx); err != nil { // of a run that was killed
		return nil, err
	}
	defer func() {
		if err := iso.clear(ctx); err != nil {
			s.warn(fmt.Sprintf("images of the check are left for the next one: %v", err))
		}
	}()
	images, err := s.engine.images(ctx)
	if err != nil {
		return nil, err
	}
	r.Job = run.Job{Plan: p.Plan, Images: images, States: states, Request: iso.request, Anew: true, Costs: p.costs()}
	if r.Job.Builders, r.Job.Able, err = s.builders(ctx, states.Catalog); err != nil {
		return nil, err
	}
	r.Push, r.FailFast, r.Vouching = false, false, p.Records
	r.Progress, r.Observe = shown.Progress, shown.Observe
	return r.Do(ctx)
}

// isolatedRecords are the records of isolated builds, for the times of their steps
// alone: the images are gone.
func (s *Session) isolatedRecords() *record.Store {
	return record.Open(s.pushDir(), s.engine.id)
}

// pushDir is for what isolated builds keep.
func (s *Session) pushDir() string { return filepath.Join(s.State, "push") }

// isolated gives images references of their own.
type isolated struct {
	reqs   *requests
	engine *docker.Engine
	prefix string // of the references, of this repository alone

	mu   sync.Mutex
	made map[string]string // guarded by mu: image -> its reference
}

// IsolatedPrefix is the repository of the references of one checkout's checks.
func IsolatedPrefix(state string) string {
	return "rebuild.local/push/" + shortDigest("repository", state) + "/"
}

// shortDigest is a text as a part of a reference may have it.
func shortDigest(kind, text string) string {
	return strings.TrimPrefix(string(impact.DigestOf(kind, text)), "sha256:")[:12]
}

// request prepares the build of an image on those of its parents that the run
// built. A parent that the run left alone is in the engine as the commit has it.
func (iso *isolated) request(ctx context.Context, name string) (docker.Request, error) {
	req, err := iso.reqs.request(ctx, name)
	if err != nil {
		return req, err
	}
	if iso.engine.IsBuilder() { // the parents of the commit are a part of the build
		req.Refs, req.Image.Pull, req.Pull = nil, false, false
		return req, nil
	}
	req.Image.Contexts = slices.Clone(req.Image.Contexts)
	req.Image.Pull, req.Pull = false, false // no registry has these references
	ref := fmt.Sprintf("%s%s:%.12s", iso.prefix, shortDigest("image", name), iso.reqs.tree.Side().Commit)
	iso.mu.Lock()
	defer iso.mu.Unlock()
	for _, parent := range iso.reqs.states.States[name].Parents {
		if made, ok := iso.made[parent.Image]; ok {
			if err := redirect(&req, parent, made); err != nil {
				return req, err
			}
		}
	}
	iso.made[name] = ref
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
func (iso *isolated) clear(ctx context.Context) error {
	if !iso.engine.HasStore() {
		return nil // nothing is kept
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearTime)
	defer cancel()
	images, err := iso.engine.Images(ctx)
	if err != nil {
		return err
	}
	for _, ref := range images.Refs() {
		if strings.HasPrefix(ref, iso.prefix) {
			// A store of manifests lists an image by its digest, too, until its last tag is gone.
			if removeErr := iso.engine.Remove(ctx, ref); removeErr != nil && !errors.Is(removeErr, docker.ErrNoImage) && err == nil {
				err = removeErr
			}
		}
	}
	return err
}
