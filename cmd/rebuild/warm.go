package main

import (
	_ "github.com/docker/buildx/bake"
	_ "github.com/docker/cli/cli/config"
	_ "github.com/docker/cli/cli/context/docker"
	_ "github.com/docker/cli/cli/connhelper"
	_ "github.com/docker/docker/client"
	_ "github.com/fsnotify/fsnotify"
	_ "github.com/go-git/go-git/v5"
	_ "github.com/moby/buildkit/client"
	_ "github.com/moby/buildkit/frontend/dockerfile/builder"
	_ "github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	_ "github.com/moby/buildkit/session"
	_ "github.com/moby/buildkit/session/filesync"
	_ "github.com/moby/buildkit/util/progress/progressui"
	_ "github.com/moby/patternmatcher"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/rs/zerolog"
	_ "github.com/spf13/cobra"
	_ "github.com/tonistiigi/fsutil"
	_ "golang.org/x/sync/errgroup"
)

func main() {}
