package llb

import (
	"fmt"
	"maps"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/go-units"

	"rebuild/impact"
)

// DockerfileName is the name under which a build finds its Dockerfile in the
// local source "dockerfile". It shows in progress ("load build definition from …").
func DockerfileName(im impact.Image) string {
	if im.Inline != "" || im.Dockerfile == "" {
		return "Dockerfile"
	}
	return path.Base(im.Dockerfile)
}

// Attrs says an image's definition in the words of the Dockerfile frontend
// (frontend/dockerui/config.go), the same for a plan and for a build. Named
// contexts come by ContextName, the folders among them as the local sources of
// LocalContexts. hostGateway is asked when an extra host needs it. An error says
// which part of the definition is wrong.
func Attrs(im impact.Image, hostGateway func() (string, error)) (map[string]string, error) {
	attrs := map[string]string{
		"filename": DockerfileName(im),
		// With a command line given, a "# syntax=" is not followed, so nothing is pulled
		// (frontend/dockerfile/builder/build.go).
		"cmdline": "docker/dockerfile",
	}
	set := func(key, value string) {
		if value != "" {
			attrs[key] = value
		}
	}
	set("target", im.Target)
	set("platform", strings.Join(im.Platforms, ","))
	set("no-cache", strings.Join(im.NoCacheFor, ","))
	for k, v := range im.Args {
		attrs["build-arg:"+k] = v
	}
	for k, v := range im.Labels {
		attrs["label:"+k] = v
	}
	if im.NoCache {
		attrs["no-cache"] = "" // of all stages
	}
	attrs["image-resolve-mode"] = "local"
	if im.Pull {
		attrs["image-resolve-mode"] = "pull"
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
	set("add-hosts", hosts)
	if im.ShmSize != "" {
		size, err := units.RAMInBytes(im.ShmSize)
		if err != nil {
			return nil, fmt.Errorf("shm-size: %w", err)
		}
		if size > 0 {
			attrs["shm-size"] = strconv.FormatInt(size, 10)
		}
	}
	limits := make([]string, len(im.Ulimits))
	for i, text := range im.Ulimits {
		limit, err := units.ParseUlimit(text)
		if err != nil {
			return nil, fmt.Errorf("ulimit %q: %w", text, err)
		}
		limits[i] = limit.String()
	}
	set("ulimit", strings.Join(limits, ","))
	for i, c := range im.Contexts {
		name, err := ContextName(c.Name)
		if err != nil {
			return nil, err
		}
		switch {
		case c.Ref != "":
			attrs["context:"+name] = "docker-image://" + strings.TrimPrefix(c.Ref, "docker-image://")
		case c.Dir != "":
			attrs["context:"+name] = "local:" + LocalName(i)
		case c.URL != "":
			attrs["context:"+name] = c.URL
		}
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

// ContextName is the name under which the frontend looks a named context up: the
// familiar one of a reference, without :latest (dockerui.Client.NamedContext).
func ContextName(name string) (string, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", fmt.Errorf("named context %q: %w", name, err)
	}
	return strings.TrimSuffix(reference.FamiliarString(named), ":latest"), nil
}

// LocalName is the local source of an image's i-th named context; "context" and
// "dockerfile" are taken.
func LocalName(i int) string { return fmt.Sprintf("named-%d", i) }

// LocalContexts gives the local sources that an image's build reads, and the
// folder of each: "context" for its build context, and one for each named context
// that is a folder.
func LocalContexts(im impact.Image) map[string]string {
	dirs := map[string]string{}
	if im.RemoteContext == "" {
		dirs["context"] = im.Context
	}
	for i, c := range im.Contexts {
		if c.Dir != "" {
			dirs[LocalName(i)] = c.Dir
		}
	}
	return dirs
}

// planAttrs are the attributes that a plan compares: arguments that are left out
// of the comparison have one value always. Addresses of hosts are no part of a
// layer's key, so any serves as the host's.
func planAttrs(im impact.Image) (map[string]string, error) {
	if len(im.IgnoreArgs) > 0 {
		im.Args = maps.Clone(im.Args)
		for _, name := range im.IgnoreArgs {
			switch _, ok := im.Args[name]; {
			case !ok:
			case name == "SOURCE_DATE_EPOCH":
				im.Args[name] = "0" // the frontend takes nothing but a number
			case strings.HasPrefix(name, "BUILDKIT_"):
				delete(im.Args, name) // each has a form of its own
			default:
				im.Args[name] = "ignored"
			}
		}
	}
	return Attrs(im, func() (string, error) { return "127.0.0.1", nil })
}
