package docker

import (
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/distribution/reference"
	"github.com/docker/buildx/util/ocilayout"
	"github.com/docker/go-units"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/ociindex"
	"github.com/moby/buildkit/identity"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/entitlements"
	"github.com/tonistiigi/fsutil"

	"github.com/containerd/containerd/v2/core/content"
)

// frontendAttrs says the image's definition in the words of the Dockerfile
// frontend (frontend/dockerui/config.go). hostGateway is asked when an extra host
// needs it.
func frontendAttrs(req *Request, hostGateway func() (string, error)) (map[string]string, error) {
	im := req.Image
	attrs := map[string]string{}
	if req.Frontend == "" {
		// With it set, the linked frontend serves whatever the syntax line says.
		attrs["cmdline"] = "docker/dockerfile"
	}
	for k, v := range im.Args {
		attrs["build-arg:"+k] = v
	}
	for k, v := range im.Labels {
		attrs["label:"+k] = v
	}
	if im.Target != "" {
		attrs["target"] = im.Target
	}
	if len(im.Platforms) > 0 {
		attrs["platform"] = strings.Join(im.Platforms, ",")
	}
	if len(im.NoCacheFor) > 0 {
		attrs["no-cache"] = strings.Join(im.NoCacheFor, ",")
	}
	if im.NoCache || req.NoCache {
		attrs["no-cache"] = "" // of all stages
	}
	attrs["image-resolve-mode"] = pb.AttrImageResolveModePreferLocal
	if im.Pull || req.Pull {
		attrs["image-resolve-mode"] = pb.AttrImageResolveModeForcePull
	}
	switch im.Network {
	case "", "default":
	case "none", "host":
		attrs["force-network-mode"] = im.Network
	default:
		return nil, fmt.Errorf("network %q: BuildKit knows none, host and default", im.Network)
	}
	hosts, err := extraHosts(im.ExtraHosts, hostGateway)
	if err != nil {
		return nil, err
	}
	if hosts != "" {
		attrs["add-hosts"] = hosts
	}
	if im.ShmSize != "" {
		size, err := units.RAMInBytes(im.ShmSize)
		if err != nil {
			return nil, fmt.Errorf("shm-size: %w", err)
		}
		if size > 0 {
			attrs["shm-size"] = strconv.FormatInt(size, 10)
		}
	}
	if len(im.Ulimits) > 0 {
		limits := make([]string, len(im.Ulimits))
		for i, text := range im.Ulimits {
			limit, err := units.ParseUlimit(text)
			if err != nil {
				return nil, fmt.Errorf("ulimit %q: %w", text, err)
			}
			limits[i] = limit.String()
		}
		attrs["ulimit"] = strings.Join(limits, ",")
	}
	return attrs, nil
}

// extraHosts gives "name=ip,…", one entry an address.
func extraHosts(hosts map[string]string, gateway func() (string, error)) (string, error) {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		for ip := range strings.SplitSeq(hosts[name], ",") {
			if ip == "host-gateway" {
				found, err := gateway()
				if err != nil {
					return "", fmt.Errorf("extra host %s: %w", name, err)
				}
				ip = found
			}
			ip = strings.TrimSuffix(strings.TrimPrefix(ip, "["), "]")
			if net.ParseIP(ip) == nil {
				return "", fmt.Errorf("extra host %s: %q is no ip address", name, ip)
			}
			list = append(list, name+"="+ip)
		}
	}
	return strings.Join(list, ","), nil
}

// allowed are the entitlements that BuildKit itself knows; those of bake's own
// (fs.read and the like) are for its client.
func allowed(req *Request) []string {
	var list []string
	for _, e := range req.Image.Entitlements {
		if _, _, err := entitlements.Parse(e); err == nil {
			list = append(list, e)
		}
	}
	if host := entitlements.EntitlementNetworkHost.String(); req.Image.Network == "host" && !slices.Contains(list, host) {
		list = append(list, host)
	}
	return list
}

// addContexts fills in where the build reads: the main context, the Dockerfile
// and the named contexts.
func addContexts(so *client.SolveOpt, req *Request) error {
	so.LocalMounts = map[string]fsutil.FS{}
	so.SharedKey = sourceKey(req.Context)
	if req.Image.RemoteContext != "" {
		so.FrontendAttrs["context"] = req.Image.RemoteContext
	} else {
		so.LocalMounts["context"] = sourceFS(req.Context)
	}
	if req.Dockerfile == nil && req.Image.RemoteContext != "" {
		if req.Image.Dockerfile != "" {
			so.FrontendAttrs["filename"] = req.Image.Dockerfile
		}
	} else {
		files, name := definitionFS(req)
		so.FrontendAttrs["filename"] = name
		so.LocalMounts["dockerfile"] = files
		if req.Image.RemoteContext != "" {
			so.FrontendAttrs["dockerfilekey"] = "dockerfile"
		}
	}
	for _, nc := range req.Image.Contexts {
		// The frontend looks a context up by its familiar name.
		named, err := reference.ParseNormalizedNamed(nc.Name)
		if err != nil {
			return fmt.Errorf("named context %q: %w", nc.Name, err)
		}
		name := strings.TrimSuffix(reference.FamiliarString(named), ":latest")
		if req.Frontend != "" {
			so.FrontendAttrs["frontend.caps"] = "moby.buildkit.frontend.contexts+forward"
		}
		switch {
		case nc.Image != "":
			ref := req.Parents[nc.Image]
			if ref == "" {
				return fmt.Errorf("named context %q: image %s has no reference", nc.Name, nc.Image)
			}
			so.FrontendAttrs["context:"+name] = "docker-image://" + ref
		case nc.Ref != "":
			so.FrontendAttrs["context:"+name] = "docker-image://" + strings.TrimPrefix(nc.Ref, "docker-image://")
		case strings.HasPrefix(nc.URL, "oci-layout://"):
			if err := addLayout(so, req, name, nc.URL); err != nil {
				return fmt.Errorf("named context %q: %w", nc.Name, err)
			}
		case nc.URL != "":
			so.FrontendAttrs["context:"+name] = nc.URL
		default:
			// The mounts "context" and "dockerfile" are taken.
			mount := "named:" + name
			source := req.Named[nc.Name]
			so.LocalMounts[mount] = sourceFS(source)
			so.FrontendAttrs["context:"+name] = "local:" + mount
			so.FrontendAttrs["sharedkey:localdir:"+name] = sourceKey(source)
		}
	}
	return nil
}

// addLayout serves an image layout on disk to the engine.
func addLayout(so *client.SolveOpt, req *Request, name, url string) error {
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
	so.FrontendAttrs["context:"+name] = ref.String()
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
