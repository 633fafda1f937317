//go:build unix

package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// A command runs in the root, knows its image, and is shown by its last lines.
func TestOnSuccess(t *testing.T) {
	dir := t.TempDir()
	c := Command{Image: "app", Tags: []string{"a:1", "a:2"}, ImageID: "sha256:1"}
	c.Line = `pwd -P; echo "$REBUILD_IMAGE, $REBUILD_TAGS, $REBUILD_IMAGE_ID"`
	if out, err := c.Run(t.Context(), dir); err != nil || len(out) != 2 || out[1] != "app, a:1 a:2, sha256:1" || !sameFolder(t, out[0], dir) {
		t.Errorf("%q, %v", out, err)
	}
	c.Line = "seq 1 30; echo oops >&2; exit 3"
	out, err := c.Run(t.Context(), dir)
	if err == nil || err.Error() != "exit status 3" || len(out) != outputLines || out[0] != "12" || !slices.Contains(out, "oops") {
		t.Errorf("%q, %v", out, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Run(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func sameFolder(t *testing.T, a, b string) bool {
	t.Helper()
	one, err1 := os.Stat(strings.TrimSpace(a))
	two, err2 := os.Stat(b)
	if err1 != nil || err2 != nil {
		t.Error(fmt.Sprint(err1, err2))
		return false
	}
	return os.SameFile(one, two)
}
