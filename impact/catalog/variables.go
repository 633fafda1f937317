package catalog

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/containerd/platforms"

	"rebuild/impact"
)

// The variables with which buildx chooses bake files (commands/bake.go).
const (
	bakeFileVariable      = "BUILDX_BAKE_FILE"
	bakeSeparatorVariable = "BUILDX_BAKE_PATH_SEPARATOR"
	bakeRelativeVariable  = "BUILDX_BAKE_FILE_RELATIVE_PATHS"
)

// gitLabels is the variable with which buildx labels what it builds by the commit.
const gitLabels = "BUILDX_GIT_LABELS"

// checkVariables refuses variables whose value means nothing.
func checkVariables(opt Options) error {
	if v, _ := opt.lookup(defaultPlatform); v != "" {
		if _, err := platforms.Parse(v); err != nil {
			return &impact.Fault{Cause: fmt.Sprintf("%s=%s: %s", defaultPlatform, v, message(err)), Hint: "unset " + defaultPlatform + ", or give a platform: export " + defaultPlatform + "=linux/amd64"}
		}
	}
	if v, _ := opt.lookup(bakeRelativeVariable); strings.TrimSpace(v) != "" {
		if _, err := strconv.ParseBool(strings.TrimSpace(v)); err != nil {
			return &impact.Fault{Cause: fmt.Sprintf("%s=%s: neither true nor false", bakeRelativeVariable, v), Hint: "unset " + bakeRelativeVariable}
		}
	}
	return nil
}

// unservedVariables says which variables change what buildx builds, and change nothing
// here.
func unservedVariables(opt Options) []string {
	if v, _ := opt.lookup(gitLabels); v != "" && v != "0" && v != "false" {
		return []string{fmt.Sprintf("%s=%s: no label of the commit is added to an image", gitLabels, v)}
	}
	return nil
}

// namedByEnvironment reads the files that BUILDX_BAKE_FILE lists, as "docker buildx bake"
// does without -f; nil when it lists none. They count from the folder that the command
// started in.
func namedByEnvironment(ctx context.Context, r *reader, dir string, opt Options) ([]source, error) {
	list, _ := opt.lookup(bakeFileVariable)
	separator, _ := opt.lookup(bakeSeparatorVariable)
	if separator == "" {
		separator = string(os.PathListSeparator)
	}
	var files []source
	for name := range strings.SplitSeq(list, separator) {
		name = strings.TrimPrefix(strings.TrimSpace(name), "cwd://")
		if name == "" {
			continue
		}
		src, err := r.listed(ctx, dir, name, bakeFileVariable, "")
		if err != nil {
			return nil, err
		}
		if k := kindOf(src); k != bakeKind && k != composeKind {
			return nil, &impact.Fault{Path: src.path, Cause: "neither a bake file nor a compose file, but " + bakeFileVariable + " names it", Hint: "unset " + bakeFileVariable}
		}
		files = append(files, src)
	}
	return files, nil
}
