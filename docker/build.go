package docker

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/frontend/dockerfile/builder"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	digest "github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"

	"rebuild/impact"
	"rebuild/impact/llb"
)

// build is one image's build while it runs.
type build struct {
	engine        *Engine
	at            endpoint // where it is built
	link          *link
	req           *Request
	steps         *StepLog
	show          *statusTee
	manifestStore bool
	intoPodman    bool
	configs       map[string][]byte // what the frontend made, by metadata key
	frontendErr   error             // of the frontend, before the engine has repeated it as mere text
	warnings      []string
	copiesLink    bool                // Result's
	cutOff        bool                // its end was not waited for
	ancestorAttrs []map[string]string // of req.Ancestors
	ancestry      *ancestry
	mounts        map[string]fsutil.FS // folders that are read, by name
	sources       *sources             // which hands them on; nil: not yet
	load          *loading             // nil: the image is not loaded
}

// Build builds one image. The error is a *BuildFailure, *Canceled or
// *Unreachable, or says what is wrong with the request.
func (e *Engine) Build(ctx context.Context, req Request) (_ *Result, err error) {
	begun := time.Now()
	b := &build{engine: e, at: e.builderAt(req.Builder), req: &req, steps: NewStepLog(), configs: map[string][]byte{}}
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = b.canceled(ctx)
		}
	}()
	if req.ID == "" {
		req.ID = rand.Text()
	}
	req.Context.Key = sourceKey(req.Context)
	if b.manifestStore, err = e.manifestStore(ctx); err != nil {
		return nil, err
	}
	if b.intoPodman, err = e.keepsInPodman(ctx); err != nil {
		return nil, err
	}
	if b.show, err = newStatusTee(req.LogFile, req.Progress); err != nil {
		return nil, fmt.Errorf("build %s: log: %w", req.Image.Name, err)
	}
	defer func() {
		if closeErr := b.show.Close(); closeErr != nil && err == nil {
			b.warnings = append(b.warnings, fmt.Sprintf("log of %s: %v", req.Image.Name, closeErr))
		}
	}()
	if b.link, err = e.dialBuildKit(ctx, b.at); err != nil {
		return nil, err
	}
	defer b.link.Close()

	so, err := b.solveOpt(ctx)
	if err != nil {
		return nil, err
	}
	resp, err := b.solve(ctx, so)
	id, loadErr := b.load.finish(ctx, err == nil)
	if err == nil && b.load.lost(ctx, loadErr) {
		id, loadErr = b.loadWhole(ctx, so)
	}
	if loadErr != nil {
		return nil, b.ownFailure(ctx, loadingStep, loadErr)
	}
	if err != nil {
		return nil, b.explain(ctx, err)
	}
	result, err := b.result(ctx, resp, id)
	if err != nil {
		return nil, err
	}
	if req.Push && !e.IsBuilder() {
		if err := b.push(ctx); err != nil {
			return nil, err
		}
	}
	steps := b.steps.Steps()
	again := madeAgain(steps)
	for _, name := range slices.Sorted(maps.Keys(again)) {
		result.Again = append(result.Again, name)
		b.warnings = append(b.warnings, fmt.Sprintf("%s was not in the builder's cache any more: %d of its commands ran again, so the next run builds it anew, and what stands on it", name, again[name]))
	}
	result.Steps = slices.DeleteFunc(steps, func(s Step) bool { return s.Of != "" })
	if req.Push && e.IsBuilder() && len(req.Refs) > 0 {
		result.Pushed = pushedTo(req.Refs[0], resp.ExporterResponse[exptypes.ExporterImageDigestKey])
	}
	result.Warnings, result.Duration = b.warnings, time.Since(begun)
	result.CopiesLink = b.copiesLink
	return result, nil
}

func (b *build) canceled(ctx context.Context) *Canceled {
	return &Canceled{Image: b.req.Image.Name, Cause: context.Cause(ctx), Ended: !b.cutOff}
}

// solveOpt says the request in BuildKit's words.
func (b *build) solveOpt(ctx context.Context) (client.SolveOpt, error) {
	failed := func(err error) (client.SolveOpt, error) {
		var gone *Unreachable
		if errors.As(err, &gone) {
			return client.SolveOpt{}, gone
		}
		return client.SolveOpt{}, &BuildFailure{Image: b.req.Image.Name, Dockerfile: b.req.DockerfileName, LogFile: b.req.LogFile, Cause: err}
	}
	if err := b.fits(ctx); err != nil {
		return failed(err)
	}
	attrs, err := b.attrs(ctx, b.req)
	if err != nil {
		return failed(err)
	}
	so := client.SolveOpt{Ref: b.req.ID, FrontendAttrs: attrs, SharedKey: b.req.Context.Key}
	if b.engine.IsBuilder() {
		so.SharedKey = "rebuild" // the names of the sources tell them apart
	}
	b.mounts = map[string]fsutil.FS{}
	if err := b.prepareAncestors(ctx, &so); err != nil {
		return failed(err)
	}
	if err := b.addContexts(&so, b.req, attrs); err != nil {
		return failed(err)
	}
	all := b.req.withAncestors()
	so.AllowedEntitlements = allowed(all)
	var warnings []string
	if so.CacheImports, so.CacheExports, warnings, err = caches(b.req, b.manifestStore || b.engine.IsBuilder()); err != nil {
		return failed(err)
	}
	b.warnings = append(b.warnings, warnings...)
	if so.Session, err = b.engine.attachables(all, b.status); err != nil {
		return failed(err)
	}
	if b.sources, err = newSources(b.mounts, followEach(ctx, b.mounts)); err != nil {
		return failed(err)
	}
	so.Session = append(so.Session, b.sources)
	if so.Exports, err = b.export(ctx); err != nil {
		return failed(err)
	}
	return so, nil
}

// attrs says what is asked for of an image, and how, in the words of the frontend.
func (b *build) attrs(ctx context.Context, req *Request) (map[string]string, error) {
	attrs, err := frontendAttrs(req, func() (string, error) { return b.hostGateway(ctx) })
	if err == nil {
		b.addProxies(req, attrs)
	}
	return attrs, err
}

// addProxies passes the docker command's proxy settings on, as it does. They are
// not part of any layer's key.
func (b *build) addProxies(req *Request, attrs map[string]string) {
	for name, value := range b.engine.config.ParseProxyConfig(b.at.host, nil) {
		given := false
		for arg := range req.Image.Args {
			given = given || strings.EqualFold(arg, name)
		}
		if !given && value != nil {
			attrs["build-arg:"+name] = *value
		}
	}
}

// hostGateway is the address that the engine gives for its host
// (builder-next/worker/label.HostGatewayIP).
func (b *build) hostGateway(ctx context.Context) (string, error) {
	workers, err := b.link.ListWorkers(ctx)
	if err != nil {
		if lost := b.link.whyLost(); lost != nil {
			return "", b.at.unreachable(lost)
		}
		return "", err
	}
	for _, w := range workers {
		if ip := w.Labels["org.mobyproject.buildkit.worker.moby.host-gateway-ip"]; ip != "" {
			return ip, nil
		}
	}
	return "", errors.New("this engine does not tell its host-gateway")
}

// closeAfter is how long an engine has to end a cancelled build by itself before
// its connection is closed.
const closeAfter = 300 * time.Millisecond

// solve runs the build to its end, or to the end of ctx.
func (b *build) solve(ctx context.Context, so client.SolveOpt) (*client.SolveResponse, error) {
	done, watched := make(chan struct{}), make(chan struct{})
	defer func() {
		close(done)
		<-watched
	}()
	go func() {
		defer close(watched)
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		follow := b.engine.follow(so.Ref, b.at) // an old engine tells the end only to who listens by then
		timer := time.NewTimer(closeAfter)
		defer timer.Stop()
		select {
		case <-done:
			follow.stop()
		case <-timer.C:
			b.cutOff = true
			b.engine.cutOff.Store(b.req.ID, follow)
			_ = b.link.Close() // what it says no longer matters
		}
	}()

	statuses := make(chan *client.SolveStatus)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for s := range statuses {
			b.status(s)
		}
	}()
	resp, err := b.link.Build(ctx, so, "", b.frontend, statuses)
	<-drained // Build has closed statuses
	return resp, err
}

// status takes a part of the build's progress.
func (b *build) status(s *client.SolveStatus) {
	named := b.steps.named(s)
	b.steps.Write(named)
	b.show.Write(named)
}

// attestations is the capability under which BuildKit says that it makes them (buildx
// build.toSolveOpt).
const attestations apicaps.CapID = "exporter.image.attestations"

// frontend is the Dockerfile frontend, in this process.
func (b *build) frontend(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
	convert := llb.Build
	if b.req.Frontend != "" || len(b.req.Image.Attest) > 0 {
		convert = builder.Build // which follows the syntax line, and scans for an SBOM
	}
	caps := c.BuildOpts().LLBCaps
	b.copiesLink = caps.Supports(pb.CapMergeOp) != nil // by which the frontend chooses, too
	if len(b.req.Image.Attest) > 0 && !caps.Contains(attestations) {
		b.frontendErr = b.refuse(ctx, unkept(b.req.Image))
		return nil, b.frontendErr
	}
	if found := dropped(b.req.Image, caps); found != nil {
		found.Version = b.engine.buildKitVersion(ctx)
		b.frontendErr = found
		return nil, found
	}
	if len(b.req.Image.Resources) > 0 && caps.Supports(pb.CapExecMetaLinuxResources) != nil {
		b.warnings = append(b.warnings, "resources: this engine does not bound what a step uses, so they are left out")
	}
	var err error
	if b.ancestry, err = b.ancestors(ctx, c); err != nil {
		b.frontendErr = err
		return nil, err
	}
	res, err := convert(ctx, &observed{Client: c, build: b})
	if err != nil {
		b.frontendErr = err
		return nil, err
	}
	for key, value := range res.Metadata {
		if key == exptypes.ExporterImageConfigKey || strings.HasPrefix(key, exptypes.ExporterImageConfigKey+"/") {
			b.configs[key] = value
		}
	}
	return res, nil
}

// observed sees every definition before it is solved.
type observed struct {
	gateway.Client
	build *build
}

func (o *observed) Solve(ctx context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	caps := o.BuildOpts().LLBCaps
	found, err := unsupported(req.Definition, caps)
	if err != nil {
		return nil, err
	}
	if found != nil {
		found.Version = o.build.engine.buildKitVersion(ctx)
		return nil, found
	}
	if err := o.build.runnable(ctx, req.Definition, o.BuildOpts().Workers); err != nil {
		return nil, err
	}
	if req.Definition, err = o.build.placed(req.Definition, o.build.req, o.build.ancestry); err != nil {
		return nil, err
	}
	if req.Definition, err = pinned(ctx, req.Definition, o.build.imageNow); err != nil {
		return nil, err
	}
	o.build.steps.learn(req.Definition)
	return o.Client.Solve(ctx, req)
}

func (o *observed) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	if name, dgst, config, ok, err := o.build.ancestry.resolve(ref, opt); ok {
		return name, dgst, config, err
	}
	return o.Client.ResolveImageConfig(ctx, ref, opt)
}

// result reads what the engine made; loaded is the id of an image that was loaded without a
// name.
func (b *build) result(ctx context.Context, resp *client.SolveResponse, loaded string) (*Result, error) {
	r := &Result{Config: configDigest(b.configs)}
	id := resp.ExporterResponse[exptypes.ExporterImageConfigDigestKey]
	if b.manifestStore || id == "" { // engine 20.10 gives the config's digest under this key
		id = resp.ExporterResponse[exptypes.ExporterImageDigestKey]
	}
	r.ImageID = id
	config := b.configs[exptypes.ExporterImageConfigKey]
	if !b.engine.HasStore() {
		if id == "" {
			return nil, fmt.Errorf("build %s: the builder does not say what it made", b.req.Image.Name)
		}
		// A builder does not tell diff ids. The image's own digest differs whenever
		// they do.
		r.ConfigJSON, r.Chain = config, []string{id}
		return r, nil
	}
	if b.engine.IsBuilder() { // what the builder calls it, the engine may not
		id = loaded
	}
	if (id == "" || b.engine.IsBuilder()) && len(b.req.Refs) > 0 {
		id = b.req.Refs[0]
	}
	if id == "" {
		return nil, fmt.Errorf("build %s: the engine does not say what it made", b.req.Image.Name)
	}
	im, err := b.engine.Inspect(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", b.req.Image.Name, err)
	}
	b.hidden(ctx, im.ID)
	r.ImageID, r.Chain, r.Made = im.ID, im.Chain, im
	if config != nil {
		if r.ConfigJSON, err = withRootFS(config, im.Chain); err != nil {
			return nil, fmt.Errorf("build %s: image config: %w", b.req.Image.Name, err)
		}
	}
	return r, nil
}

// push sends every reference to its registry, as one step of the build each.
func (b *build) push(ctx context.Context) error {
	for _, ref := range b.req.Refs {
		step := newOwnStep(pushing+ref, b.status)
		err := b.engine.push(ctx, ref, step.report)
		step.end(err)
		if err != nil {
			return b.ownFailure(ctx, pushing+ref, err)
		}
	}
	return nil
}

// ownFailure is the error of a step that BuildKit does not do.
func (b *build) ownFailure(ctx context.Context, step string, err error) error {
	var gone *Unreachable
	if errors.As(err, &gone) || ctx.Err() != nil {
		return err
	}
	return &BuildFailure{Image: b.req.Image.Name, Step: step, LogFile: b.req.LogFile, Cause: err}
}

// configDigest compares configs: with the history, whose text is part of an
// image's id and of those built on it, without times.
func configDigest(configs map[string][]byte) impact.Digest {
	var parts []string
	for key, config := range configs {
		parts = append(parts, key+"="+string(timeless(config)))
	}
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	return impact.DigestOf("image config", parts...)
}

// timeless takes the times and the root filesystem out of a config.
func timeless(config []byte) []byte {
	var fields map[string]any
	if json.Unmarshal(config, &fields) != nil {
		return config
	}
	delete(fields, "created")
	delete(fields, "rootfs")
	delete(fields, "moby.buildkit.cache.v0") // inline cache
	if history, ok := fields["history"].([]any); ok {
		for _, entry := range history {
			if h, ok := entry.(map[string]any); ok {
				delete(h, "created")
			}
		}
	}
	out, err := json.Marshal(fields) // sorts the keys
	if err != nil {
		return config
	}
	return out
}

// withRootFS puts the diff ids into a config.
func withRootFS(config []byte, chain []string) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(config, &fields); err != nil {
		return nil, err
	}
	root, err := json.Marshal(map[string]any{"type": "layers", "diff_ids": chain})
	if err != nil {
		return nil, err
	}
	fields["rootfs"] = root
	return json.Marshal(fields)
}
