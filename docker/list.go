package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
)

// listTries is how often an engine is asked for its list of images. Most lists are right at
// the second try, also while other programs build and remove images all the time.
const listTries = 10

// list asks the engine for its images. While an image is removed, or replaced by another of
// its name, the containerd store of 28.5 has its name and lacks its content: the whole list
// is then "content digest sha256:...: not found", as is that of docker image ls. Podman's is
// an error of its own, "image not known".
func (e *Engine) list(ctx context.Context) ([]image.Summary, error) {
	var err error
	for range listTries {
		var list []image.Summary
		list, err = answered(ctx, &e.silence, func(ctx context.Context) ([]image.Summary, error) { return e.api.ImageList(ctx, image.ListOptions{}) })
		switch {
		case err == nil:
			return list, nil
		case !isGone(err):
			return nil, err
		case !e.silence.hasMet():
			return nil, whole(err)
		}
	}
	return nil, fmt.Errorf("its store changes while it lists it: %v", err)
}

// vanished are Podman's words for what it has found and then no longer finds, since somebody
// removed it. They come as its own error (500).
var vanished = []string{"image not known", "layer not known", "cannot specify 64-byte hexadecimal strings"}

// isGone tells of an error that what was asked for is not there, or not any more.
func isGone(err error) bool {
	return cerrdefs.IsNotFound(err) || slices.ContainsFunc(vanished, func(words string) bool { return strings.Contains(err.Error(), words) })
}
