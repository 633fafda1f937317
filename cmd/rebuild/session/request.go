package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"rebuild/docker"
	"rebuild/docker/record"
	"rebuild/impact"
	"rebuild/impact/llb"
	"rebuild/impact/tree"
)

// byteStates are the images' states at the target as records keep them: by the
// bytes that BuildKit reads.
func (s *Session) byteStates(ctx context.Context, p *Planned) (*impact.Snapshot, error) {
	if p.states != nil {
		return p.states, nil
	}
	if p.view == tree.Bytes {
		p.states = p.Target
		return p.states, nil
	}
	t, err := s.byteTree(ctx, p.query)
	if err != nil {
		return nil, err
	}
	p.tree = t
	scanner := p.scanner
	scanner.SoundBaseline = true
	p.states, err = scanner.Scan(ctx, p.Target.Catalog, t)
	return p.states, err
}

// byteTree is the target by its bytes. What is read of a commit here is no part of what
// a plan compared.
func (s *Session) byteTree(ctx context.Context, q Query) (tree.Tree, error) {
	if q.At != "" {
		return s.Repo.Commit(ctx, q.At, tree.Bytes)
	}
	return s.worktree(ctx, tree.Bytes)
}

// requests turns images into requests to the engine. Its methods may be called
// concurrently.
type requests struct {
	s       *Session
	query   Query
	tree    tree.Tree
	images  map[string]impact.Image // with the real values of what a definition computes
	states  *impact.Snapshot
	records *record.Store

	mu    sync.Mutex
	texts map[string][]byte // guarded by mu: Dockerfile and ignore file that a build was given
}

func (s *Session) newRequests(ctx context.Context, p *Planned, states *impact.Snapshot) (*requests, error) {
	cat, err := s.catalog(ctx, p.query, p.tree, true)
	if err != nil {
		return nil, err
	}
	images := map[string]impact.Image{}
	for _, im := range cat.Images {
		images[im.Name] = im
	}
	for name, im := range images {
		images[name] = impact.Linked(im, images)
	}
	return &requests{s: s, query: p.query, tree: p.tree, images: images, states: states, records: s.engine.records, texts: map[string][]byte{}}, nil
}

// request prepares the build of one image. A builder keeps no images, so that there the
// builds of those that it stands on are a part of it.
func (r *requests) request(ctx context.Context, name string) (docker.Request, error) {
	req, err := r.own(ctx, name)
	if err != nil || !r.s.OnBuilder() {
		return req, err
	}
	for _, ancestor := range r.ancestors(name) {
		a, err := r.own(ctx, ancestor)
		if err != nil {
			return req, err
		}
		req.Ancestors = append(req.Ancestors, a)
	}
	return req, nil
}

// ancestors are the images that an image is built on, each after its own ancestors.
func (r *requests) ancestors(name string) []string {
	var list []string
	var visit func(name string)
	visit = func(name string) {
		state := r.states.States[name]
		if state == nil {
			return
		}
		for _, parent := range state.Parents {
			if !slices.Contains(list, parent.Image) {
				visit(parent.Image)
				list = append(list, parent.Image)
			}
		}
	}
	visit(name)
	return list
}

// own prepares what an image's build takes by itself.
func (r *requests) own(ctx context.Context, name string) (docker.Request, error) {
	im, ok := r.images[name]
	if !ok {
		return docker.Request{}, fmt.Errorf("image %s is not in the definition any more", name)
	}
	// The one gate: no engine is handed anything of an image before this.
	switch refused, err := r.s.unallowed(im, r.query); {
	case err != nil:
		return docker.Request{}, err
	case refused != nil:
		return docker.Request{}, refused.Fault()
	}
	// BuildKit pulls all bases of a Dockerfile or none, and an image of this repository
	// is in no registry.
	im.Pull = (im.Pull || r.query.Pull) && len(r.states.States[name].Parents) == 0
	req := docker.Request{
		Image: im, DockerfileName: im.DockerfileName(), Refs: im.Refs, Root: filepath.Join(r.s.Root, filepath.FromSlash(r.s.Dir)),
		NoCache: r.query.NoCache || im.NoCache, Pull: im.Pull,
		Named: map[string]docker.Source{}, Parents: map[string]string{},
		LogFile: r.records.LogFile(name),
	}
	if im.ReadsDockerfile() {
		if err := r.local(ctx, &req); err != nil {
			return req, err
		}
	}
	for _, c := range im.Contexts {
		switch {
		case c.Image != "":
			req.Parents[c.Image] = c.Ref
		case c.Dir != "":
			src, err := r.source(ctx, name, c.Dir)
			if err != nil {
				return req, err
			}
			req.Named[c.Name] = src
		}
	}
	return req, nil
}

// local adds what is read from the tree.
func (r *requests) local(ctx context.Context, req *docker.Request) error {
	var err error
	im := req.Image
	if req.Dockerfile, err = llb.Text(ctx, im, r.tree.ReadFile); err != nil {
		return err
	}
	if req.Ignore, err = ignoreText(ctx, im, r.tree.ReadFile); err != nil {
		return err
	}
	req.Frontend = llb.Frontend(im, req.Dockerfile)
	r.mu.Lock()
	r.texts[im.Name] = slices.Concat(req.Dockerfile, []byte{0}, req.Ignore)
	r.mu.Unlock()
	if im.RemoteContext == "" {
		req.Context, err = r.source(ctx, im.Name, im.Context)
	}
	return err
}

// ignoreText is the ignore file of an image's context, nil for a remote one, to which none
// applies.
func ignoreText(ctx context.Context, im impact.Image, read impact.ReadFile) ([]byte, error) {
	if im.RemoteContext != "" {
		return nil, nil
	}
	return llb.IgnoreText(ctx, im, read)
}

func (r *requests) source(ctx context.Context, image, dir string) (docker.Source, error) {
	files, err := r.tree.Context(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) {
		// The plan found that nothing is read of it, else it had an error.
		return docker.Source{}, nil
	}
	if err != nil {
		return docker.Source{}, err
	}
	return docker.Source{FS: files, Key: r.contextKey(image, dir)}, nil
}

// contextKey names the copy that the engine keeps of a build context. Each image
// has its own, since each reads other files of it; so has each kind of tree,
// since files of equal size and time are taken for equal; and it is a new one when
// a folder or a link came or went, since an engine of 20.10 digests a copy wrong
// from which one vanished.
func (r *requests) contextKey(image, dir string) string {
	src := r.tree.Side()
	parts := []string{r.s.Root, string(src.Kind), image, dir}
	for _, rd := range r.states.States[image].Readings() {
		for _, f := range rd.Files {
			if mode := fs.FileMode(f.Mode); !mode.IsRegular() {
				parts = append(parts, f.Path, mode.String(), string(f.Digest))
			}
		}
	}
	return strings.TrimPrefix(string(impact.DigestOf("context", parts...)), "sha256:")
}

// clockTick is how much a file's times may lag behind the clock.
const clockTick = 10 * time.Millisecond

// settled tells whether the files that an image's build read are those of its state,
// and were so since it began: of a file that was edited there and back meanwhile,
// nobody knows which content BuildKit saw. The Dockerfile and the ignore file that the build was given are those
// of the plan, since a tree reads each file once.
func (r *requests) settled(ctx context.Context, name string, since time.Time) (bool, error) {
	now, err := r.s.byteTree(ctx, r.query)
	if err != nil {
		return false, err
	}
	read := []string{name}
	if r.s.OnBuilder() {
		read = append(read, r.ancestors(name)...)
	}
	for _, name := range read {
		if ok, err := r.settledIn(ctx, now, name, since); err != nil || !ok {
			return ok, err
		}
	}
	return true, nil
}

// settledIn is settled for one image's own files, as a tree has them.
func (r *requests) settledIn(ctx context.Context, now tree.Tree, name string, since time.Time) (bool, error) {
	im := r.images[name]
	if im.ReadsDockerfile() {
		r.mu.Lock()
		given, began := r.texts[name]
		r.mu.Unlock()
		if !began { // it was refused before anything was read
			return true, nil
		}
		text, err := llb.Text(ctx, im, now.ReadFile)
		if err != nil {
			return false, nil
		}
		ignore, err := ignoreText(ctx, im, now.ReadFile)
		if err != nil {
			return false, nil
		}
		if !bytes.Equal(given, slices.Concat(text, []byte{0}, ignore)) {
			return false, nil
		}
	}
	for _, l := range r.states.States[name].Layers {
		for _, read := range l.Reads {
			rd, err := now.Read(ctx, read.Selection)
			if err != nil || rd.Digest != read.Digest || rd.Changed.After(since.Add(-clockTick)) {
				return false, nil
			}
		}
	}
	return true, nil
}
