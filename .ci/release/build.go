package main

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// programs are the packages of what is released.
var programs = []string{"./cmd/rebuild", "./cmd/rebuild-pre-push"}

// build builds the programs for a platform into a folder.
func (r release) build(ctx context.Context, p platform, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// A build id would differ with the folder of the sources.
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.version=" + r.Version, "-o", dir + string(os.PathSeparator)}
	args = append(append(args, r.Compile...), programs...)
	cmd := r.command(ctx, "go", args...)
	cmd.Env = p.environ()
	cmd.Stdout = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	return nil
}

// environ is the environment in which Go builds for a platform: what the caller says of
// builds does not count, and nothing of the machine's C libraries is linked.
func (p platform) environ() []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "GOFLAGS", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GOFIPS140", "GOWORK":
		default:
			env = append(env, v)
		}
	}
	return append(env, "GOOS="+p.OS, "GOARCH="+p.Arch, "CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0", "GOENV=off", "GOWORK=off")
}

// writeManual has the program's own test write the manual pages and completions.
func (r release) writeManual(ctx context.Context) error {
	args := append([]string{"test", "-count=1", "-vet=off", "-trimpath"}, r.Compile...)
	cmd := r.command(ctx, "go", append(args, "./cmd/rebuild", "-run", "^TestManual$", "-args",
		"-manual.dir", r.manual, "-manual.version", r.Version, "-manual.time", fmt.Sprint(r.made.Unix()))...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "REBUILD_TEST_ENGINE=off")
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go test: %w\n%s", err, out)
	}
	return nil
}
