package docker

import (
	"context"
	"slices"

	"github.com/containerd/containerd/v2/core/content/proxy"
	cerrdefs "github.com/containerd/errdefs"
	digest "github.com/opencontainers/go-digest"
)

// held is how many of an image's layers the engine has, from the lowest on: as many as are
// those of the image that has the build's references now, or of one that it is built on.
// That an image has a layer alone is of no use, as a store knows it by those below it.
func (b *build) held(ctx context.Context, diffIDs []digest.Digest) int {
	var refs []string
	for _, req := range b.req.withAncestors() {
		refs = append(append(refs, req.Refs...), req.Image.Refs...)
	}
	slices.Sort(refs)
	most := 0
	for _, ref := range slices.Compact(refs) {
		im, err := b.engine.Inspect(ctx, ref)
		if err != nil { // the load tells what is wrong with the engine
			continue
		}
		n := 0
		for n < min(len(im.Chain), len(diffIDs)) && im.Chain[n] == diffIDs[n].String() {
			n++
		}
		most = max(most, n)
	}
	return most
}

// labels under which BuildKit notes what a layer's blob holds: containerd's, and its own, which a
// layer has that was pulled (BuildKit's cache.blobAnnotationsLabelPrefix).
var diffIDLabels = []string{"containerd.io/uncompressed", "buildkit.io/blob/annotation.containerd.io/uncompressed"}

// diffID is the diff id of a layer, by its blob in the builder's store; "" where the builder
// does not tell. Nothing is decided by it alone: see inbound.
func (l *link) diffID(ctx context.Context, blob digest.Digest) digest.Digest {
	info, err := proxy.NewContentStore(l.ContentClient()).Info(ctx, blob)
	if err != nil {
		return ""
	}
	for _, label := range diffIDLabels {
		if id := info.Labels[label]; id != "" {
			return digest.Digest(id)
		}
	}
	return ""
}

// tellsDiffIDs tells whether a builder's store can be asked. BuildKit before 0.11 has
// no such service, and does not copy images into stores either.
func (l *link) tellsDiffIDs(ctx context.Context) bool {
	_, err := proxy.NewContentStore(l.ContentClient()).Info(ctx, digest.FromString(""))
	return err == nil || cerrdefs.IsNotFound(err)
}
