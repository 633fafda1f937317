package session

import (
	"bytes"
	"context"
	"os"
	"strings"
	"time"

	"rebuild/impact/tree"
)

// Command is a line for the shell that the definition has run after each build of an
// image that succeeded (on_success).
type Command struct {
	Image   string
	Tags    []string
	ImageID string
	Line    string
}

// outputLines is how many lines of a command's output are given.
const outputLines = 20

// Run runs the command in a folder, which knows its image by REBUILD_IMAGE, REBUILD_TAGS
// and REBUILD_IMAGE_ID, and gives the last lines of its output.
func (c Command) Run(ctx context.Context, dir string) ([]string, error) {
	cmd := shellCommand(ctx, c.Line)
	cmd.Dir = dir
	cmd.Env = append(tree.WithoutGit(os.Environ()),
		"REBUILD_IMAGE="+c.Image, "REBUILD_TAGS="+strings.Join(c.Tags, " "), "REBUILD_IMAGE_ID="+c.ImageID)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second // for children that keep the output open
	err := cmd.Run()
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	return lines[max(0, len(lines)-outputLines):], err
}
