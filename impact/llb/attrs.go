package llb

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

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

// Attrs are the attributes that the Dockerfile frontend is given for an image
// (frontend/dockerui/config.go), the same for a plan and for a build. Local named
// contexts are the local sources of LocalContexts.
func Attrs(im impact.Image) map[string]string {
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
	set("shm-size", im.ShmSize)
	set("ulimit", strings.Join(im.Ulimits, ","))
	if im.Network != "default" {
		set("force-network-mode", im.Network)
	}
	for k, v := range im.Args {
		attrs["build-arg:"+k] = v
	}
	for k, v := range im.Labels {
		attrs["label:"+k] = v
	}
	if im.NoCache {
		attrs["no-cache"] = ""
	} else {
		set("no-cache", strings.Join(im.NoCacheFor, ","))
	}
	if im.Pull {
		attrs["image-resolve-mode"] = "pull"
	}
	var hosts []string
	for _, h := range slices.Sorted(maps.Keys(im.ExtraHosts)) {
		hosts = append(hosts, h+"="+im.ExtraHosts[h])
	}
	set("add-hosts", strings.Join(hosts, ","))
	for i, c := range im.Contexts {
		attrs["context:"+c.Name] = contextValue(i, c)
	}
	return attrs
}

func contextValue(i int, c impact.NamedContext) string {
	switch {
	case c.Image != "":
		return "docker-image://" + c.Ref
	case c.Ref != "":
		return "docker-image://" + c.Ref
	case c.Dir != "":
		return "local:" + localName(i)
	}
	return c.URL
}

func localName(i int) string { return fmt.Sprintf("context-%d", i) }

// LocalContexts gives the local sources that an image's build reads: "context"
// for its build context, and one for each named context that is a folder.
func LocalContexts(im impact.Image) map[string]string {
	dirs := map[string]string{}
	if im.RemoteContext == "" {
		dirs["context"] = im.Context
	}
	for i, c := range im.Contexts {
		if c.Dir != "" {
			dirs[localName(i)] = c.Dir
		}
	}
	return dirs
}
