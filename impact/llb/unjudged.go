package llb

import (
	"context"
	"path"

	digest "github.com/opencontainers/go-digest"

	"rebuild/impact"
)

// withoutLayers is the graph of an image that cannot be converted: it may read its
// Dockerfile, its ignore file and all of its context, and be built on whatever its
// Dockerfile mentions.
func withoutLayers(ctx context.Context, im impact.Image, read impact.ReadFile, fault *impact.Fault) *impact.Graph {
	g := &impact.Graph{Fault: fault, Unjudged: true}
	if im.Fault != nil { // it holds what the rest of the definition leaves out
		g.Config = []byte(im.Fault.Cause)
	}
	var reads []impact.Selection
	var src dockerfile
	if im.ReadsDockerfile() {
		var err error
		if src, err = readDockerfile(ctx, im, read); err == nil {
			g.Text = impact.Digest(digest.FromBytes(src.text))
			g.Warnings = src.warnings
		} else {
			reads = append(reads, file(im.Dockerfile))
		}
	}
	if im.RemoteContext == "" {
		ignore, err := ignoreFile(ctx, im, read)
		if err == nil && badIgnore(ctx, im, read) != nil {
			ignore.Patterns = nil
		}
		// A build may read git's own files; but they change with every commit, and what
		// cannot be built is not to be called another for that.
		patterns := append(ignore.Patterns[:len(ignore.Patterns):len(ignore.Patterns)], ".git")
		reads = append(reads, impact.Selection{Context: im.Context, Ignore: impact.Ignore{File: ignore.File, Patterns: patterns}, Path: "/", Follow: true})
		if ignore.File != "" {
			reads = append(reads, file(ignore.File))
		}
	}
	for _, c := range im.Contexts {
		if c.Dir != "" {
			reads = append(reads, impact.Selection{Context: c.Dir, Ignore: impact.Ignore{Patterns: []string{".git"}}, Path: "/", Follow: true})
		}
	}
	g.Layers = []impact.Layer{{Op: impact.Everything, Reads: reads, File: im.DockerfileName(), Name: "it cannot be built"}}
	g.Mentions = mentions(im, src.text, nil)
	return g
}

// file is the selection of one file.
func file(name string) impact.Selection {
	return impact.Selection{Context: path.Dir(name), Path: "/" + path.Base(name), Follow: true}
}
