package docker

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/docker/buildx/util/buildflags"
	"github.com/docker/buildx/util/ocilayout"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/ociindex"
	"github.com/moby/buildkit/identity"
	"github.com/moby/buildkit/util/entitlements"
	"github.com/tonistiigi/fsutil"

	"rebuild/impact/llb"
)

// frontendAttrs says the request in the words of the Dockerfile frontend, as the
// plan does. hostGateway is asked when an extra host needs it.
func frontendAttrs(req *Request, hostGateway func() (string, error)) (map[string]string, error) {
	im := req.Image
	im.NoCache = im.NoCache || req.NoCache
	im.Pull = im.Pull || req.Pull
	im.Contexts = slices.Clone(im.Contexts)
	for i, c := range im.Contexts {
		if c.Image == "" {
			continue
		}
		im.Contexts[i].Ref = req.Parents[c.Image]
		if req.hasAncestor(c.Image) {
			im.Contexts[i].Ref = ancestorRef(c.Image)
		}
		if im.Contexts[i].Ref == "" {
			return nil, fmt.Errorf("named context %q: image %s has no reference", c.Name, c.Image)
		}
	}
	attrs, err := llb.Attrs(im, hostGateway)
	if err != nil {
		return nil, err
	}
	maps.Copy(attrs, im.Resources)
	if im.Indexed() {
		attrs["multi-platform"] = "true"
	}
	attests, err := buildflags.ParseAttests(im.Attest)
	if err != nil {
		return nil, fmt.Errorf("attest: %w", err)
	}
	for kind, v := range attests.ToMap() {
		if v != nil {
			attrs["attest:"+kind] = *v
		}
	}
	if req.Frontend != "" { // without it, the linked frontend serves whatever the syntax line says
		delete(attrs, "cmdline")
		if len(im.Contexts) > 0 {
			attrs["frontend.caps"] = "moby.buildkit.frontend.contexts+forward"
		}
	}
	return attrs, nil
}

// allowed are the entitlements that BuildKit itself knows; those of bake's own
// (fs.read and the like) are for its client.
func allowed(reqs []*Request) []string {
	var list []string
	add := func(e string) {
		if !slices.Contains(list, e) {
			list = append(list, e)
		}
	}
	for _, req := range reqs {
		for _, e := range req.Image.Entitlements {
			if _, _, err := entitlements.Parse(e); err == nil {
				add(e)
			}
		}
		if req.Image.Network == "host" {
			add(entitlements.EntitlementNetworkHost.String())
		}
	}
	return list
}

// addContexts fills in where a request reads: the main context, the Dockerfile
// and the named contexts.
func (b *build) addContexts(so *client.SolveOpt, req *Request, attrs map[string]string) error {
	mount := func(name string, files fsutil.FS) { b.mounts[b.localName(req, name)] = files }
	if req.Image.RemoteContext != "" {
		attrs["context"] = req.Image.RemoteContext
	} else {
		mount("context", sourceFS(req.Context))
	}
	if req.Dockerfile == nil && req.Image.RemoteContext != "" {
		if req.Image.Dockerfile != "" {
			attrs["filename"] = req.Image.Dockerfile
		}
	} else {
		files, name := definitionFS(req)
		attrs["filename"] = name
		mount("dockerfile", files)
		if req.Image.RemoteContext != "" {
			attrs["dockerfilekey"] = "dockerfile"
		}
	}
	folders := llb.LocalContexts(req.Image)
	for i, nc := range req.Image.Contexts {
		name, err := llb.ContextName(nc.Name)
		if err != nil {
			return err
		}
		if strings.HasPrefix(nc.URL, "oci-layout://") {
			if err := addLayout(so, req, attrs, name, nc.URL); err != nil {
				return fmt.Errorf("named context %q: %w", nc.Name, err)
			}
		}
		if local := llb.LocalName(i); folders[local] != "" {
			source := req.Named[nc.Name]
			mount(local, sourceFS(source))
			attrs["sharedkey:localdir:"+name] = sourceKey(source)
		}
	}
	return nil
}

// addLayout serves an image layout on disk to the engine.
func addLayout(so *client.SolveOpt, req *Request, attrs map[string]string, name, url string) error {
	ref, _, err := ocilayout.Parse(url)
	if err != nil {
		return err
	}
	dir := req.path(ref.Path)
	if ref.Digest == "" {
		desc, err := ociindex.NewStoreIndex(dir).Get(ref.Tag)
		if err != nil {
			return err
		}
		if desc == nil {
			return fmt.Errorf("%s holds no %s", dir, ref.Tag)
		}
		ref.Digest = desc.Digest
	}
	store, err := local.NewStore(dir)
	if err != nil {
		return err
	}
	if so.OCIStores == nil {
		so.OCIStores = map[string]content.Store{}
	}
	ref.Path = identity.NewID()
	so.OCIStores[ref.Path] = store
	attrs["context:"+name] = ref.String()
	return nil
}

// path is a path of the definition on this machine.
func (req *Request) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(req.Root, p)
}

func sourceFS(s Source) fsutil.FS {
	if s.FS == nil {
		return memoryFS{}
	}
	return s.FS
}

func sourceKey(s Source) string {
	if s.Key == "" {
		return identity.NewID()
	}
	return s.Key
}
